// Package caddymfa adds OneLogin MFA to a build of Caddy:
//
//	xcaddy build --with github.com/caddymfa/caddymfa
//
// xcaddy and Caddy's download page import the package at a module's root, so
// there has to be one. It registers the Caddy modules by importing the package
// of the same name below it, and holds nothing else.
package caddymfa

import _ "github.com/caddymfa/caddymfa/caddymfa"
