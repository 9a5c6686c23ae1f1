// A launcher for tests: speaks the framed protocol, runs JavaScript source whose `main` takes an object.
'use strict';
const fs = require('fs');
const net = require('net');
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';
const overlaps = process.env.__OW_ALLOW_CONCURRENT === 'true';
const connection = new net.Socket({ fd: 3, readable: true, writable: true });
let main;
const send = (text) => connection.write(text + '\n');
const endLogs = () => { fs.writeSync(1, SENTINEL); fs.writeSync(2, SENTINEL); };
async function handle(message) {
  if (message.init) {
    try {
      const value = message.init.value;
      Object.assign(process.env, value.env || {});
      main = new Function('require', 'process', 'log', value.code + '; return main;')(require, process, null);
      send('{"init":true,"status":200,"body":{"OK":true}}');
    } catch (error) {
      send(`{"init":true,"status":502,"body":${JSON.stringify({ error: String(error) })}}`);
      endLogs();
    }
    return;
  }
  const id = message.activation_id || '';
  const log = (text) => overlaps
    ? send(`{"activation_id":"${id}","log":"stdout","text":${JSON.stringify(text)}}`)
    : console.log(text);
  let status = 200, body;
  try {
    body = JSON.stringify(await main(message.value, log)) ?? 'null';
  } catch (error) {
    body = JSON.stringify({ error: String(error) });
  }
  send(`{"activation_id":"${id}","status":${status},"body":${body}}`);
  endLogs();
}
let rest = '';
connection.setEncoding('utf8');
connection.on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  for (const line of lines) handle(JSON.parse(line));
});
connection.on('end', () => process.exit(0));
connection.on('error', () => process.exit(0));
send('{"ready":true}');
