// Package caddymfa asks for OneLogin MFA in front of any app that Caddy
// serves, on the routes the operator chooses, without touching the app.
//
// It is two Caddy modules. The app "mfa" ([App]) holds what all sites share:
// the OneLogin tenant, the store, the brand. The handler "http.handlers.mfa"
// ([Handler]) stands in front of a site's app: it lets verified requests pass
// and sends everybody else through a challenge below its own path prefix
// /.mfa/.
//
// The package holds nothing that could live without Caddy: rules are in
// internal/policy, a challenge's course in internal/stepup, sessions in
// internal/session, pages in internal/page, OneLogin's API in onelogin.
package caddymfa
