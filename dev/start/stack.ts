import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { addressOf, brokerVars, callbackVars } from 'agent-ticket/src/dev-files.ts';
import {
  type IdentityProvider,
  signInSettings,
  startIdentityProvider,
} from 'agent-ticket/src/identity-provider/start.ts';
import type { DevSecrets, SeededCredential } from 'agent-ticket/src/open-secrets.ts';
import type { Miniflare } from 'miniflare';
import { migrate } from './migrations.ts';
import { seed, seedPeople } from './seed.ts';
import { restartWorkers, startWorkers, type WorkersOptions } from './workers.ts';

export interface Ports {
  readonly broker: number;
  readonly agentWorker: number;
  readonly identityProvider: number;
}

export interface StackOptions {
  readonly ports: Ports;
  readonly secrets: DevSecrets;
  /** Folders of data that outlives a start; default: new data in memory. */
  readonly stateDir?: string;
  readonly identityStateDir?: string;
  /** Port of the inspector of workerd; default: there is none. */
  readonly inspectorPort?: number;
  /** Origins of pages, in addition to the agent worker's own, that may use broker and agents. */
  readonly pageOrigins?: readonly string[];
  /** Override the settings of a development stack. */
  readonly brokerSettings?: Readonly<Record<string, string>>;
  readonly agentWorkerSettings?: Readonly<Record<string, string>>;
  readonly onLog?: (line: string) => void;
  /** Folders of other workers than this repository's own, each with wrangler.jsonc and a bundle. */
  readonly folders?: { readonly broker?: string; readonly agentWorker?: string };
}

/** Addresses and credentials of a running stack; written to `.dev/dev.json`. */
export interface StackFacts {
  readonly broker: string;
  readonly agentWorker: string;
  readonly identityProvider: string;
  readonly issuer: string;
  readonly audience: string;
  readonly serviceToken: SeededCredential;
  readonly adminToken: SeededCredential;
  readonly access: { readonly tokenUrl: string };
  readonly auth0: { readonly tokenUrl: string };
}

export interface Stack {
  readonly facts: StackFacts;
  readonly identityProvider: IdentityProvider;
  readonly workers: Miniflare;
  /** Ends the workers' runtime, as a deploy does, and starts another one on the same ports and data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the identity provider stand-in and both workers, migrated and seeded. The bundles must be built. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { ports, secrets } = options;
  const [broker, agentWorker] = [addressOf(ports.broker), addressOf(ports.agentWorker)];
  const { pageOrigins = [] } = options;
  const identityProvider = await startIdentityProvider({
    port: ports.identityProvider,
    auth0: {
      baseUrl: broker,
      logoutUrls: [
        `${agentWorker}/`,
        `${agentWorker}/chat`,
        `${agentWorker}/integrations`,
        ...pageOrigins.map((origin) => `${origin}/`),
      ],
    },
    ...(options.identityStateDir === undefined ? {} : { stateDir: options.identityStateDir }),
  });
  const ofBroker = brokerVars(
    { ...ports, app: ports.agentWorker },
    secrets,
    pageOrigins,
    signInSettings(identityProvider),
  );
  const { ISSUER, TICKET_AUDIENCE, ALLOWED_ORIGINS, MODE } = ofBroker;
  const { access, auth0 } = identityProvider;
  try {
    const workersOptions: WorkersOptions = {
      stateDir: options.stateDir,
      inspectorPort: options.inspectorPort,
      onLog: options.onLog ?? (() => {}),
      workers: [
        {
          name: 'broker',
          folder: options.folders?.broker,
          port: ports.broker,
          settings: { ...ofBroker, ...options.brokerSettings },
        },
        {
          name: 'agent-worker',
          folder: options.folders?.agentWorker,
          port: ports.agentWorker,
          settings: {
            ...{ ISSUER, TICKET_AUDIENCE, ALLOWED_ORIGINS, MODE, DEMO_ACCESS_URL: access.url },
            DEMO_MCP_SERVER: identityProvider.mcpUrl,
            ...callbackVars(ports.agentWorker, secrets),
            ...options.agentWorkerSettings,
          },
        },
      ],
    };
    const workers = await startWorkers(workersOptions);
    await prepare(workers, secrets, identityProvider).catch(async (error: unknown) => {
      await workers.dispose();
      throw error;
    });
    return {
      facts: {
        broker,
        agentWorker,
        identityProvider: identityProvider.url,
        issuer: broker,
        audience: TICKET_AUDIENCE,
        serviceToken: secrets.serviceToken,
        adminToken: secrets.adminToken,
        access: { tokenUrl: access.tokenUrl },
        auth0: { tokenUrl: auth0.tokenUrl },
      },
      identityProvider,
      workers,
      restart: () => restartWorkers(workers, workersOptions),
      close: async () => {
        await Promise.all([workers.dispose(), identityProvider.close()]);
      },
    };
  } catch (error) {
    await identityProvider.close();
    throw error;
  }
}

/** Migrates both databases and seeds the tokens of {@link DevSecrets} and the people's grants. */
async function prepare(
  workers: Miniflare,
  secrets: DevSecrets,
  identityProvider: IdentityProvider,
): Promise<void> {
  const control = await workers.getD1Database('CONTROL', 'broker');
  await migrate(control, 'control');
  await migrate(await workers.getD1Database('RECORD', 'broker'), 'record');
  const now = Date.now();
  await seed(openControl(control), secrets, now);
  await seedPeople(openControl(control), identityProvider, now);
}
