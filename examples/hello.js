// Greets whoever `name` names: oxwhisk run examples/hello.js -p name World
function main(params) {
  console.log(`greeting ${params.name || 'a stranger'}`);
  return { greeting: `Hello, ${params.name || 'stranger'}!` };
}
