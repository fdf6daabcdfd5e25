import { saveProfile } from '../api/access.ts';
import { type Act, type CommandAt, JSON_OPTION } from '../api/add-commands.ts';
import { address, anyPort, profileName } from '../option-values.ts';
import { login, logout, profilesList } from './login.ts';

const PROFILE = ['--profile <name>', 'left out: AGENT_TICKET_PROFILE, or default', profileName] as const;

/** Adds the commands for signing in and for profiles. */
export function addSignIn(at: CommandAt, act: Act): void {
  at(
    'login',
    'Sign in with the browser, through Access, Auth0 or another issuer, and keep the tokens in a profile.',
    'login --broker https://broker.example.com --issuer https://tenant.eu.auth0.com/ --client-id 3hT… --audience https://broker.example.com/api',
  )
    .option(
      '--broker <address>',
      'ISSUER of the broker; left out: that of the profile, or AGENT_TICKET_BROKER',
      address,
    )
    .option(
      '--issuer <address>',
      'address of the issuer, such as an Auth0 tenant; left out: that of the profile',
      address,
    )
    .option(
      '--client-id <id>',
      'client id of a native application at the issuer; left out: that of the profile',
    )
    .option('--audience <api>', 'identifier of the broker’s API at the issuer; left out: that of the profile')
    .option('--access', 'sign in through Cloudflare Access, with cloudflared')
    .option('--device', 'sign in with a code that you type on another device (RFC 8628)')
    .option('--no-browser', 'print the address without opening a browser')
    .option(
      '--callback-port <port>',
      'port of the callback on loopback, if the issuer needs a fixed one; 0: any free port',
      anyPort,
      0,
    )
    .option('--issuer-url <address>', 'in development: address of the issuer on loopback', address)
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
    'Save the address and the credential of the AGENT_TICKET_ variables as a profile.',
    'profiles save production',
  )
    .argument('<name>', 'name of the profile; commands use "default" if you name none', profileName)
    .action(async (name) => {
      await act((terminal) => saveProfile(name, terminal));
    });
}
