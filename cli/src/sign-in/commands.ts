import { saveProfile } from '../api/access.ts';
import { type Act, type CommandAt, JSON_OPTION } from '../api/add-commands.ts';
import { port } from '../option-values.ts';
import { login, logout, profilesList } from './login.ts';

const PROFILE = ['--profile <name>', 'left out: AGENT_TICKET_PROFILE, or default'] as const;

/** Adds the commands about people who sign in, and about profiles. */
export function addSignIn(at: CommandAt, act: Act): void {
  at(
    'login',
    'Sign in with the browser, through Access, Auth0 or another issuer, and keep the tokens in a profile.',
    'login --broker https://broker.example.com --issuer https://tenant.eu.auth0.com/ --client-id 3hT… --audience https://broker.example.com/api',
  )
    .option('--broker <address>', 'its ISSUER; left out: that of the profile, or AGENT_TICKET_BROKER')
    .option('--issuer <address>', 'such as a tenant of Auth0; left out: that of the profile')
    .option('--client-id <id>', 'of a native application of the issuer; left out: that of the profile')
    .option('--audience <api>', 'identifier of the broker’s API at the issuer; left out: that of the profile')
    .option('--access', 'through Cloudflare Access, by cloudflared')
    .option('--device', 'by a code that is typed on another device (RFC 8628)')
    .option('--no-browser', 'print the address, and open no browser')
    .option(
      '--callback-port <port>',
      'of loopback, where an issuer wants one; left out: any free one',
      port,
      0,
    )
    .option('--issuer-url <address>', 'in development: where the issuer listens on loopback')
    .option(...PROFILE)
    .option(...JSON_OPTION)
    .action(async (options) => {
      await act((terminal) => login({ ...options, json: options.json ?? false }, terminal));
    });

  at(
    'logout',
    'End the sign-in of a profile at its issuer, and delete the profile.',
    'logout --profile production',
  )
    .option(...PROFILE)
    .action(async ({ profile }) => {
      await act((terminal) => logout(profile, terminal));
    });

  at('profiles list', 'List the profiles of this user, without their secrets.', 'profiles list')
    .option(...JSON_OPTION)
    .action(async ({ json = false }) => {
      await act((terminal) => profilesList(json, terminal));
    });

  at(
    'profiles save',
    'Keep the address and the credential of the AGENT_TICKET_ variables in a file of yours.',
    'profiles save production',
  )
    .argument('<name>', 'of the profile; "default" is used where nothing is named')
    .action(async (name) => {
      await act((terminal) => saveProfile(name, terminal));
    });
}
