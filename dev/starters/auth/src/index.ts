import { Agent, callable, routeAgentRequest } from 'agents';
import { jwtVerify, SignJWT } from 'jose';

export interface Notes {
  notes: string[];
}

/** The diary of one person, whose name it has. */
export class Diary extends Agent<Env, Notes> {
  initialState: Notes = { notes: [] };

  @callable()
  write(note: string): number {
    this.setState({ notes: [...this.state.notes, note] });
    return this.state.notes.length;
  }

  async onRequest(): Promise<Response> {
    return Response.json({ of: this.name, ...this.state });
  }
}

const keyOf = ({ SIGNING_SECRET }: Env) => new TextEncoder().encode(SIGNING_SECRET);

/** A token for anybody by that name: a real app asks for a password here. */
async function signIn(request: Request, env: Env): Promise<Response> {
  const name = await request.text();
  const token = new SignJWT({ sub: name }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h');
  return new Response(await token.sign(keyOf(env)));
}

/** Lets a person through to the diary of that name, by a token in the address or in the header. */
const onlyOwn =
  (env: Env) =>
  async (request: Request, { name }: { name: string }): Promise<Request | Response> => {
    const [, bearer] = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '') ?? [];
    const token = bearer ?? new URL(request.url).searchParams.get('token') ?? '';
    const owner = await jwtVerify(token, keyOf(env)).then(
      ({ payload }) => payload.sub,
      () => undefined,
    );
    return owner === name ? request : new Response('Not yours', { status: owner === undefined ? 401 : 403 });
  };

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === '/sign-in' && request.method === 'POST') return signIn(request, env);
    const own = { onBeforeConnect: onlyOwn(env), onBeforeRequest: onlyOwn(env) };
    return (await routeAgentRequest(request, env, own)) ?? env.ASSETS.fetch(request);
  },
} satisfies ExportedHandler<Env>;
