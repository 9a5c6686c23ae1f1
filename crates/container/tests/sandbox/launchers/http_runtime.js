// An ordinary HTTP runtime for tests: POST /init and /run on a port that it prints as its first line.
'use strict';
const fs = require('fs');
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';
let main;
const endLogs = () => { fs.writeSync(1, SENTINEL); fs.writeSync(2, SENTINEL); };
async function init(message) {
  try {
    main = new Function('require', 'process', message.value.code + '; return main;')(require, process);
    return [200, { OK: true }];
  } catch (error) {
    endLogs();
    return [502, { error: String(error) }];
  }
}
async function run(message) {
  let answer;
  try {
    answer = [200, await main(message.value, (text) => console.log(text))];
  } catch (error) {
    answer = [200, { error: String(error) }];
  }
  endLogs();
  return answer;
}
const server = require('http').createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', async () => {
    const message = JSON.parse(Buffer.concat(parts).toString());
    const [status, value] = await (request.url === '/init' ? init : run)(message);
    const body = JSON.stringify(value);
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => fs.writeSync(1, server.address().port + '\n'));
