import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Apps, startBoth } from '../../e2e/starters/apps.ts';
import { changedLines } from '../../e2e/starters/install.ts';
import type { Tab } from '../tab.ts';
import { enter } from './enter.ts';

/** A page on another origin than its agents, with two agents and two hooks of one, without tickets and with them. */

let apps: Apps;
beforeAll(async () => {
  apps = await startBoth('cross', ['wall', 'meter']);
}, 600_000);
afterAll(async () => {
  await Promise.all([apps?.plain.close(), apps?.guarded.close()]);
});

const visit = (kind: keyof Apps, name: string, beside?: Tab) =>
  enter(apps[kind], `${apps[kind].page}/?name=${name}`, beside);
const press = ({ page }: Tab, button: string) => page.getByRole('button', { name: button }).click();
const shows = ({ page }: Tab, id: string, text: string) =>
  page.locator(`#${id}`).getByText(text, { exact: true }).waitFor();

describe.each(['plain', 'guarded'] as const)('the page of the %s app', (kind) => {
  it('synchronizes the state of both agents with a second tab', async () => {
    const tab = await visit(kind, 'two-tabs');
    const other = await visit(kind, 'two-tabs', tab);
    await shows(other, 'value', '0');
    await press(tab, 'Write');
    await shows(other, 'lines', 'line 0');
    await press(other, 'Write');
    await shows(tab, 'lines', 'line 1');
    await press(other, 'Add');
    await press(other, 'Add');
    await shows(tab, 'value', '4');
    await tab.page.reload();
    await shows(tab, 'lines', 'line 1');
    await shows(tab, 'value', '4');
  });

  it('talks by a second hook of the same agent', async () => {
    const tab = await visit(kind, 'talk');
    const other = await visit(kind, 'talk', tab);
    await press(other, 'Greet');
    await shows(tab, 'heard', 'Somebody: hello');
    await shows(other, 'heard', 'I: hello');
  });

  it('asks by plain requests, with a header of its own', async () => {
    const tab = await visit(kind, 'asked');
    await press(tab, 'Write');
    await shows(tab, 'lines', 'line 0');
    await press(tab, 'Count');
    await shows(tab, 'answer', '{"lines":1}');
    await press(tab, 'Wipe');
    await shows(tab, 'answer', '{"lines":0}');
    expect(await tab.page.locator('#lines li').count()).toBe(0);
  });
});

it('it is protected by ten lines at most', async () => {
  expect(await changedLines('cross')).toBeLessThanOrEqual(10);
});
