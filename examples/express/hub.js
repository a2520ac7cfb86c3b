// The app's side of the hub: publishing, and the tokens that both sides trust.
import { SignJWT } from 'jose';

export const HUB_URL = process.env.HUB_URL ?? 'http://127.0.0.1:3000';
const KEY = new TextEncoder().encode(process.env.HUB_KEY ?? 'a secret for development only, 32 bytes+');

/** How long the hub may take to answer a publish. */
const TIMEOUT_MS = 5_000;

/** The hub could not be reached, or refused. */
export class HubError extends Error {}

/** Publishes an update: `{topic, data, type?, private?}`. Gives the id the hub gave it. */
export async function publish(update) {
  let answer;
  try {
    answer = await fetch(`${HUB_URL}/.well-known/mercure`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${await publisherToken()}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(update),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.ok) return (await answer.json()).id;
  } catch (cause) {
    throw new HubError('the hub cannot be reached', { cause });
  }
  throw new HubError(`the hub refused the update with status ${answer.status}`);
}

/** A token with which a browser gets the user's own private updates. */
export function subscriberToken(user, seconds) {
  return sign({ sub: user, mercure: { subscribe: [`users/${user}`] } }, seconds);
}

function publisherToken() {
  return sign({ mercure: { publish: ['*'] } }, 60);
}

function sign(claims, seconds) {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(`${seconds}s`).sign(KEY);
}
