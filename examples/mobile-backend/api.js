// The one endpoint that the app talks to: log in, read the news page by page, send feedback.
const crypto = require('node:crypto');

const LIFETIME = 24 * 3600;
const LARGEST_PAGE = 20;
const LONGEST_TEXT = 1000;

const ROUTES = {
  '/login': { post: login },
  '/news': { get: allowed(news) },
  '/feedback': { post: allowed(feedback) }
};

async function main(params) {
  const route = ROUTES[params.__ow_path];
  if (!route) return refusal(404, 'there is nothing here');
  const handler = route[params.__ow_method];
  if (!handler) return refusal(405, `use ${Object.keys(route).join(', ').toUpperCase()}`);
  return handler(params);
}

function login({ user, password, users, secret }) {
  if (typeof user !== 'string' || typeof password !== 'string') return refusal(400, "send 'user' and 'password'");
  const known = Object.hasOwn(users, user) ? users[user] : undefined;
  // An unknown user costs the same time as a known one, so that nobody can find out who is a customer.
  const { salt, hash } = known ?? { salt: '00', hash: '00'.repeat(32) };
  const given = crypto.scryptSync(password, Buffer.from(salt, 'hex'), 32);
  if (!crypto.timingSafeEqual(given, Buffer.from(hash, 'hex')) || !known) return refusal(401, 'wrong user or password');
  const expires = Math.floor(Date.now() / 1000) + LIFETIME;
  const claims = Buffer.from(JSON.stringify({ user, expires })).toString('base64url');
  return { body: { token: `${claims}.${signature(claims, secret)}`, expires } };
}

function news({ articles, after, limit = '10' }) {
  const size = Number(limit);
  if (!Number.isInteger(size) || size < 1 || size > LARGEST_PAGE) return refusal(400, `'limit' is a whole number from 1 to ${LARGEST_PAGE}`);
  let first = 0;
  if (after !== undefined) {
    first = articles.findIndex(({ id }) => id === after) + 1;
    if (first === 0) return refusal(400, `there is no article '${after}'`);
  }
  const page = articles.slice(first, first + size);
  const rest = articles.length > first + page.length;
  // A phone needs the headlines; the texts are fetched when they are read.
  return { body: { articles: page.map(({ id, title, text }) => ({ id, title, words: text.split(/\s+/).length })), ...(rest && { next: page.at(-1).id }) } };
}

async function feedback({ text, rating, user }) {
  if (typeof text !== 'string' || text.trim() === '' || text.length > LONGEST_TEXT) return refusal(400, `'text' has 1 to ${LONGEST_TEXT} characters`);
  if (!Number.isInteger(rating) || rating < 1 || rating > 5) return refusal(400, "'rating' is a whole number from 1 to 5");
  const id = await fire('app-feedback', { user, text, rating });
  return { statusCode: 202, body: { accepted: id } };
}

/** Lets a handler run for those who bring a token of ours, and tells it who they are. */
function allowed(handler) {
  return params => {
    const [, claims, signed] = /^Bearer ([\w-]+)\.([\w-]+)$/.exec(params.__ow_headers.authorization ?? '') ?? [];
    if (!claims || !same(signed, signature(claims, params.secret))) return refusal(401, 'log in first');
    const { user, expires } = JSON.parse(Buffer.from(claims, 'base64url'));
    if (expires < Date.now() / 1000) return refusal(401, 'log in again');
    return handler({ ...params, user });
  };
}

function signature(claims, secret) {
  return crypto.createHmac('sha256', secret).update(claims).digest('base64url');
}

function same(one, other) {
  return one.length === other.length && crypto.timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

/** Fires a trigger of this namespace with the key that the annotation `provide-api-key` gives the action. */
async function fire(trigger, event) {
  const { __OW_API_HOST: host, __OW_API_KEY: key } = process.env;
  const answer = await fetch(`${host}/api/v1/namespaces/_/triggers/${trigger}`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(key).toString('base64')}`, 'content-type': 'application/json' },
    body: JSON.stringify(event)
  });
  if (!answer.ok) throw new Error(`trigger ${trigger}: ${answer.status}`);
  return (await answer.json()).activationId;
}

function refusal(statusCode, error) {
  return { error: { statusCode, body: { error } } };
}
