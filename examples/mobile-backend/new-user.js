// node new-user.js NAME PASSWORD: prints `users` with one user, as the endpoint takes it.
const crypto = require('node:crypto');

const [name, password] = process.argv.slice(2);
const salt = crypto.randomBytes(16);
const user = { salt: salt.toString('hex'), hash: crypto.scryptSync(password, salt, 32).toString('hex') };
console.log(JSON.stringify({ [name]: user }));
