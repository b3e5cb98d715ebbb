// Asks once, as yub's own page shows it: node ask.js CLIENT_ID API_KEY OTP
'use strict'
const Yub = require('yub')
const [id, key, otp] = process.argv.slice(2)
new Yub(id, key).verify(otp, (error, answer) => {
  console.log(error ? String(error) : JSON.stringify(answer))
  console.log(`accepted: ${!error && answer.valid}`)
})
