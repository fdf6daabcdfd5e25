import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createMeter } from '@agent-ticket/broker/src/metrics/meter.ts';
import type { Sample } from '@agent-ticket/shared/metrics.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';

/**
 * Alerts and dashboard by the programs of Prometheus itself (Debian: `prometheus`), on text that the broker's own code
 * writes down.
 */

const run = promisify(execFile);
const FOLDER = new URL('../../../docs/operate/monitoring/', import.meta.url);
const ALERTS = new URL('alerts.yml', FOLDER).pathname;
const Dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
});
const Answer = z.object({ status: z.string(), data: z.object({ result: z.array(z.unknown()) }) });

const isInstalled = await run('promtool', ['--version']).then(
  () => true,
  () => false,
);
if (!isInstalled) console.warn('promtool is not installed: alerts and dashboards are not tested');

describe.skipIf(!isInstalled)('alerts and dashboard', () => {
  const meter = createMeter();
  const gauges: Sample[] = [
    { name: 'sessions_open', labels: { agent: 'counter' }, value: 3 },
    { name: 'outbox_waiting', value: 1 },
    { name: 'record_backlog_events', value: 2 },
    { name: 'record_backlog_age_seconds', value: 400 },
    { name: 'seal_age_seconds', value: 20 },
    { name: 'signing_key_age_seconds', labels: { state: 'active' }, value: 60 },
    { name: 'webhooks_failing', value: 0 },
  ];
  /** As of a broker in use: each scrape finds greater counters. */
  const text = (): string => {
    meter.measure('tickets_total', { outcome: 'issued', agent: 'counter' });
    meter.measure('tickets_total', { outcome: 'denied', code: 'grant_missing', agent: 'chat' });
    meter.measure('mint_seconds', {}, 0.02);
    meter.measure('revocations_total', { kind: 'any' });
    meter.measure('revocation_close_seconds', {}, 0.3);
    meter.measure('key_fetches_total', { outcome: 'success' });
    meter.measure('sessions_closed_total', { reason: 'client_closed' });
    meter.measure('frames_denied_total', { agent: 'counter' }, 19);
    meter.measure('renewals_total', { outcome: 'renewed' });
    return meter.text(gauges);
  };
  const broker = createServer((_request, answer) => {
    answer.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text());
  });
  const portOf = (address: string | AddressInfo | null): number =>
    typeof address === 'object' ? (address?.port ?? 0) : 0;
  const freePort = async (): Promise<number> => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const port = portOf(probe.address());
    probe.close();
    await once(probe, 'close');
    return port;
  };
  let [folder, url] = ['', ''];
  let server: ReturnType<typeof spawn> | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agent-ticket-prometheus-'));
    broker.listen(0, '127.0.0.1');
    await once(broker, 'listening');
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [ALERTS],
      scrape_configs: [
        {
          job_name: 'agent-ticket-broker',
          static_configs: [{ targets: [`127.0.0.1:${portOf(broker.address())}`] }],
        },
      ],
    };
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    server = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
  });
  afterAll(async () => {
    if (server !== undefined) {
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    }
    broker.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('the text is one that Prometheus takes without a complaint', async () => {
    const checked = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [checked.stdout, checked.stderr])
      stream.on('data', (part) => (said += String(part)));
    checked.stdin.end(text());
    await once(checked, 'exit');
    expect(said).toBe('');
  });

  it('the rules are valid, and each leads to a page that exists', async () => {
    const { stdout } = await run('promtool', ['check', 'rules', ALERTS]);
    expect(stdout).toContain('SUCCESS');
    const rules = await readFile(ALERTS, 'utf8');
    const alerts = rules.match(/alert: /g) ?? [];
    const pages = [...rules.matchAll(/runbook_url: \S+\/(docs\/\S+)/g)].map(([, page = '']) => page);
    expect(pages).toHaveLength(alerts.length);
    for (const page of pages) await readFile(new URL(`../../../${page}`, import.meta.url));
  });

  it('each query of a panel and each rule finds data in what was scraped', async () => {
    const { panels } = Dashboard.parse(
      JSON.parse(await readFile(new URL('prometheus-dashboard.json', FOLDER), 'utf8')),
    );
    const ask = async (query: string) => {
      const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`);
      return Answer.parse(await answer.json());
    };
    await eventually(async () =>
      expect((await ask('rate(tickets_total[5m])')).data.result.length).toBeGreaterThan(1),
    );
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        const { status, data } = await ask(expr);
        expect([title, expr, status, data.result.length > 0]).toEqual([title, expr, 'success', true]);
      }
    }
    const waits = await ask('record_backlog_age_seconds > 300');
    expect(waits.data.result).toHaveLength(1);
  });
});
