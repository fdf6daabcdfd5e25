import { NOW } from '../start-broker.ts';

/** Claims as the platforms put them into workload tokens, names made up. */

const TIMES = { iat: NOW - 10, nbf: NOW - 10, exp: NOW + 300 };
const AUDIENCE = 'https://broker.test';

export const GITHUB = {
  issuer: 'https://token.actions.githubusercontent.com',
  claims: {
    ...TIMES,
    jti: '6f4762ed-0758-4ccb-808d-ee3af5d723a8',
    sub: 'repo:octo-org@65/octo-repo@74:environment:production',
    aud: AUDIENCE,
    ref: 'refs/heads/main',
    sha: 'f5ae11fabc3b4f4bb7b8b8c8f8a9f4ad1d2f3a4b',
    repository: 'octo-org/octo-repo',
    repository_id: '74',
    repository_owner: 'octo-org',
    repository_owner_id: '65',
    repository_visibility: 'private',
    run_id: '1234567890',
    run_attempt: '1',
    actor: 'octocat',
    workflow: 'deploy',
    event_name: 'push',
    ref_type: 'branch',
    environment: 'production',
    job_workflow_ref: 'octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main',
    runner_environment: 'github-hosted',
  },
};

export const GOOGLE = {
  issuer: 'https://accounts.google.com',
  claims: {
    ...TIMES,
    aud: AUDIENCE,
    azp: '113774264463038321964',
    sub: '113774264463038321964',
    email: 'worker@my-project.iam.gserviceaccount.com',
    email_verified: true,
    google: {
      compute_engine: { project_id: 'my-project', zone: 'europe-west1-b', instance_name: 'worker-1' },
    },
  },
};

export const KUBERNETES = {
  issuer: 'https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE',
  claims: {
    ...TIMES,
    jti: 'ea28ed49-2e11-4280-9ec5-bc3d1d84661a',
    sub: 'system:serviceaccount:jobs:reporter',
    aud: [AUDIENCE],
    'kubernetes.io': {
      namespace: 'jobs',
      node: { name: 'node-1', uid: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1' },
      pod: { name: 'reporter-7d9', uid: '5e0bd49b-f040-43b0-99b7-22765a53f7f3' },
      serviceaccount: { name: 'reporter', uid: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798' },
      warnafter: NOW + 200,
    },
  },
};

/** How each is registered here. */
export const REGISTRATIONS = {
  github: {
    name: 'github',
    issuer: GITHUB.issuer,
    audiences: [AUDIENCE],
    match: [
      { claim: 'repository_id', equals: '74' },
      { claim: 'repository_owner_id', equals: '65' },
      { claim: 'job_workflow_ref', glob: 'octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/*' },
      { claim: 'environment', one_of: ['production', 'staging'] },
    ],
    single_use: true,
  },
  google: {
    name: 'google',
    issuer: GOOGLE.issuer,
    audiences: [AUDIENCE],
    match: [
      { claim: 'sub', equals: '113774264463038321964' },
      { claim: ['google', 'compute_engine', 'project_id'], equals: 'my-project' },
    ],
    jwks_uri: 'https://www.googleapis.com/oauth2/v3/certs',
  },
  kubernetes: {
    name: 'eks',
    issuer: KUBERNETES.issuer,
    audiences: [AUDIENCE],
    match: [
      { claim: ['kubernetes.io', 'namespace'], equals: 'jobs' },
      { claim: ['kubernetes.io', 'serviceaccount', 'uid'], equals: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798' },
    ],
  },
} as const;
