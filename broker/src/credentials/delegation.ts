import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { type Actor, actorsOf } from '@agent-ticket/shared/ticket.ts';
import type { JWTPayload } from 'jose';
import * as z from 'zod';
import type { Authenticated } from './principal.ts';

/** Actors on behalf of one subject, one for another. In a longer chain nobody is responsible any more. */
const MAX_ACTORS = 3;
/** All actors' names together, so that a ticket with them stays a ticket. */
const MAX_ACTOR_CHARACTERS = 512;

interface ForeignActor {
  sub: string;
  iss?: string | undefined;
  act?: ForeignActor | undefined;
}

/** RFC 8693 §4.1. Members beside `iss`, `sub` and `act` inform and are dropped. */
const ForeignActor: z.ZodType<ForeignActor> = z.object({
  sub: z.string().min(1).max(256),
  iss: z.string().optional(),
  get act() {
    return ForeignActor.optional();
  },
});

/** RFC 8693 §4.4. Another member might restrict it further, so one with an unknown member matches nobody. */
const MayAct = z.strictObject({ sub: z.string(), iss: z.string().optional() });

/**
 * Every party to a request: the subject, the actors, and the client that authenticated. A lock on one of them locks the
 * request.
 */
export const partiesOf = ({ principal, act, client }: Authenticated): PrincipalId[] => [
  principal.id,
  ...actorsOf(act),
  ...(client === undefined ? [] : [client.principal]),
];

/**
 * The actors that a verified token of `issuer` names, as principals of ours. An actor of another issuer is refused:
 * that issuer did not say so. A chain that cannot be read is refused too, or delegation would vanish on the way.
 */
export function foreignActors(
  { act }: JWTPayload,
  issuer: string,
  namespace: string,
): Outcome<Actor | undefined> {
  if (act === undefined) return ok(undefined);
  const chain = ForeignActor.safeParse(act);
  const actor = chain.success ? principalActor(chain.data, issuer, namespace) : undefined;
  if (actor === undefined) return err('credential_claims_invalid', { detail: 'act' });
  return fits(actor) ? ok(actor) : err('delegation_too_deep');
}

function principalActor(
  { sub, iss, act }: ForeignActor,
  issuer: string,
  namespace: string,
): Actor | undefined {
  const id = PrincipalId.safeParse(`${namespace}:${sub}`);
  const inner = act === undefined ? undefined : principalActor(act, issuer, namespace);
  if (!id.success || (iss !== undefined && iss !== issuer) || (act !== undefined && inner === undefined))
    return undefined;
  return { sub: id.data, ...(inner === undefined ? {} : { act: inner }) };
}

const fits = (act: Actor): boolean => {
  const actors = actorsOf(act);
  return actors.length <= MAX_ACTORS && actors.join('').length <= MAX_ACTOR_CHARACTERS;
};

/**
 * The subject as the actor may be it: the subject's rights, no longer than both credentials last, with the actor in
 * front of those that the subject's token had. A `may_act` claim of the subject must name the actor; without one
 * any holder of both tokens may. An actor that acts for another subject itself is refused: the rights of that subject
 * would be lost.
 */
export function delegate(subject: Authenticated, actor: Authenticated): Outcome<Authenticated> {
  const mayAct = subject.upstream?.mayAct;
  if (actor.act !== undefined) return err('actor_not_allowed', { detail: 'the actor is delegated' });
  if (mayAct !== undefined) {
    const named = MayAct.safeParse(mayAct);
    const isNamed =
      named.success &&
      named.data.sub === actor.upstream?.sub &&
      (named.data.iss ?? subject.principal.issuer) === actor.principal.issuer;
    if (!isNamed) return err('actor_not_allowed', { detail: 'may_act' });
  }
  const before = subject.act;
  const act: Actor = { sub: actor.principal.id, ...(before === undefined ? {} : { act: before }) };
  if (!fits(act)) return err('delegation_too_deep');
  return ok(capped({ ...subject, act }, actor));
}

/** No longer, and for no more agents, than another credential that came with it. */
export function capped(who: Authenticated, by: Authenticated): Authenticated {
  const ends = [who.expiresAt, by.expiresAt].filter((at) => at !== undefined);
  const agents =
    who.agents === undefined || by.agents === undefined
      ? (who.agents ?? by.agents)
      : who.agents.filter((slug) => by.agents?.includes(slug));
  return {
    ...who,
    ...(ends.length === 0 ? {} : { expiresAt: Math.min(...ends) }),
    ...(agents === undefined ? {} : { agents }),
  };
}
