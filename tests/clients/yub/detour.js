// yub asks Yubico's five hosts by name, on port 443, and cannot be told another. This leads its
// connections to the service under test, as a hosts file and a forwarded port would. The names
// and their certificates are checked as ever.
'use strict'
const https = require('https')

class Detour extends https.Agent {
  createConnection (options, done) {
    const port = Number(process.env.DETOUR_PORT)
    return super.createConnection({ ...options, host: '127.0.0.1', port }, done)
  }
}
https.globalAgent = new Detour()
