// OneLogin's Node SDK makes its Smart MFA call against the simulator at the
// address in argv[2], with control API in argv[3], and prints what it got.
"use strict";

const { Client } = require("@onelogin/sdk");

// The SDK writes what it does to the console. Only our result belongs there.
const print = console.log;
console.log = () => {};

const [api, control] = process.argv.slice(2);

// The SDK puts https:// in front of any address that has another scheme. Its
// inner adapter does not.
function newClient() {
  const client = new Client({ clientID: "demo-client", clientSecret: "demo-secret", baseURL: api });
  client.client.client.Configure({ baseURL: api, timeout: 5000, headers: {} });
  return client;
}

async function lastCode() {
  const answer = await fetch(`${control}/_sim/users/alice`);
  return (await answer.json()).devices.find((d) => d.factor === "email").code;
}

async function main() {
  const client = newClient();
  const request = {
    user_identifier: "alice",
    email: "alice@example.com",
    context: { user_agent: "conformance", ip: "203.0.113.7" },
  };
  const first = await client.smartMFA.CheckMFARequired(request);
  const ok = await client.smartMFA.ValidateOTP({
    state_token: first.data.mfa.state_token,
    otp_token: await lastCode(),
  });
  const second = await client.smartMFA.CheckMFARequired(request);
  print(JSON.stringify({ first: first.data, ok, second: second.data }));
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
