// Compares one reading with its sensor's limits; a reading beyond them fires the trigger `alarm`.
async function main({ sensor, celsius, limits, alarm }) {
  if (typeof sensor !== 'string' || typeof celsius !== 'number') return { error: "a reading has 'sensor' (text) and 'celsius' (number)" };
  const { low, high } = limits[sensor] ?? limits.default;
  const state = celsius > high ? 'too hot' : celsius < low ? 'too cold' : 'normal';
  console.log(`${sensor}: ${celsius} °C is ${state}`);
  if (state === 'normal') return { sensor, state };
  return { sensor, state, alarm: await fire(alarm, { sensor, celsius, state, limit: state === 'too hot' ? high : low }) };
}

/** Fires a trigger of this namespace with the key that the annotation `provide-api-key` gives the action; returns the id of its record. */
async function fire(trigger, event) {
  const { __OW_API_HOST: host, __OW_API_KEY: key } = process.env;
  const answer = await fetch(`${host}/api/v1/namespaces/_/triggers/${trigger}`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(key).toString('base64')}`, 'content-type': 'application/json' },
    body: JSON.stringify(event)
  });
  if (!answer.ok) throw new Error(`trigger ${trigger}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).activationId;
}
