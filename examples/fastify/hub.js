// The hub as a plugin, `app.hub`: publishing, and the tokens that app and hub both trust.
import jwt from '@fastify/jwt';
import plugin from 'fastify-plugin';

/** How long the hub may take to answer a publish. */
const TIMEOUT_MS = 5_000;

/** The hub could not be reached, or refused. */
class HubError extends Error {
  statusCode = 502;
}

export default plugin(async (app, { url, key }) => {
  await app.register(jwt, { secret: key });

  /** Publishes an update: `{topic, data, type?, private?}`. Gives the id the hub gave it. */
  async function publish(update) {
    const token = app.jwt.sign({ mercure: { publish: ['*'] } }, { expiresIn: '60s' });
    let answer;
    try {
      answer = await fetch(`${url}/.well-known/mercure`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
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
  function subscriberToken(user, seconds) {
    return app.jwt.sign({ mercure: { subscribe: [`users/${user}`] } }, { sub: user, expiresIn: `${seconds}s` });
  }

  app.decorate('hub', { url, publish, subscriberToken });
});
