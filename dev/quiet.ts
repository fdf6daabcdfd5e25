import './require-node.ts';
import { spawn } from 'node:child_process';
import { quietEnvironment } from './quiet-environment.ts';

/** `node dev/quiet.ts <command> [arguments]`: runs a command silent and offline, and exits with its status or signal. */
const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  process.stderr.write('usage: node dev/quiet.ts <command> [arguments]\n');
  process.exit(2);
}

const child = spawn(command, args, { stdio: 'inherit', env: quietEnvironment(process.env) });

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
for (const signal of SIGNALS) {
  process.on(signal, () => {
    // A terminal sends Ctrl-C to the whole process group; a second signal would make the command exit uncleanly.
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    child.kill(signal);
  });
}

child.on('error', (error) => {
  process.stderr.write(`cannot run ${command}: ${error.message}\n`);
  process.exit(127);
});

child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  for (const each of SIGNALS) process.removeAllListeners(each);
  process.kill(process.pid, signal);
});
