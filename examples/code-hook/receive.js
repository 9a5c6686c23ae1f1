// Takes the deliveries of a code host's webhook, proves that they are its own, and fires a trigger for each push.
// The signature is made over the bytes of the body, so this is a raw web action: the platform hands the body over as it came.
const crypto = require('node:crypto');

async function main({ __ow_method: method, __ow_headers: headers, __ow_body: body, secret, trigger }) {
  if (method !== 'post') return answer(405, { error: 'deliveries are posted' });
  const type = headers['content-type'] ?? '';
  if (!type.startsWith('application/json')) return answer(415, { error: "set the webhook's content type to application/json" });
  const bytes = Buffer.from(body, 'base64');
  if (!isSigned(bytes, headers['x-hub-signature-256'], secret)) return answer(401, { error: 'the signature is missing or wrong' });

  let delivery;
  try {
    delivery = JSON.parse(bytes);
  } catch {
    return answer(400, { error: 'the body is no JSON' });
  }
  switch (headers['x-github-event']) {
    case 'ping':
      return answer(200, { pong: delivery.zen });
    case 'push':
      return answer(202, { fired: await fire(trigger, summary(delivery)) });
    default:
      return answer(200, { ignored: headers['x-github-event'] });
  }
}

function isSigned(bytes, signature, secret) {
  const expected = `sha256=${crypto.createHmac('sha256', secret).update(bytes).digest('hex')}`;
  // Comparing byte by byte up to the first difference would tell an attacker how far a guess is right.
  return signature?.length === expected.length && crypto.timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
}

/** What the actions behind the trigger need of a push. */
function summary({ repository, ref, after, commits = [], pusher }) {
  const changed = commits.flatMap(({ added = [], modified = [], removed = [] }) => [...added, ...modified, ...removed]);
  return { repository: repository.full_name, branch: ref.replace('refs/heads/', ''), commit: after, by: pusher.name, changed: [...new Set(changed)].sort() };
}

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

function answer(statusCode, body) {
  return { statusCode, body };
}
