#!/usr/bin/env bash
# Builds Caddy with this checkout's module in it; --help says the rest.
set -euo pipefail

module=github.com/caddymfa/caddymfa
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

usage() {
	cat <<'TXT'
Usage: ./xcaddy.sh [xcaddy build arguments]

Builds ./caddy: Caddy's standard modules and the mfa module of this checkout.
Then prints Caddy's version and the modules that mfa brought.

With xcaddy on PATH, xcaddy builds it, and arguments are passed on:

  ./xcaddy.sh --with github.com/caddy-dns/cloudflare

Without xcaddy, "go build ./cmd/caddy" builds the same thing. That takes no
arguments and no other Caddy version, because go.mod names what goes in.

Environment:
  CADDY_VERSION  Caddy's version, like v2.11.9 (default: the one in go.mod)
  OUTPUT         where the binary goes (default: ./caddy)
  CGO_ENABLED    1 links with cgo (default: 0)
TXT
}

fail() {
	echo "xcaddy.sh: $*" >&2
	exit 1
}

# with_ours prints the Go setting $1 with this module added to its list.
with_ours() {
	local list
	list=$(go env "$1")
	echo "${list:+$list,}$module"
}

# The module may not be published where the Go proxy finds it. It is replaced
# by the checkout anyway, so for this one command nobody is asked about it.
build_with_xcaddy() {
	local private nosumdb
	private=$(with_ours GOPRIVATE)
	nosumdb=$(with_ours GONOSUMDB)
	GOPRIVATE=$private GONOSUMDB=$nosumdb xcaddy build "$version" \
		--output "$output" --with "$module/caddymfa" --replace "$module=$here" "$@"
}

# These are the flags that xcaddy uses, so that both ways give one binary.
build_with_go() {
	[[ $# -eq 0 ]] || fail "arguments need xcaddy, which is not on PATH: $*"
	[[ $version == "$pinned" ]] ||
		fail "CADDY_VERSION=$version needs xcaddy, which is not on PATH; go.mod has $pinned"
	CGO_ENABLED=${CGO_ENABLED:-0} go -C "$here" build -o "$output" \
		-trimpath -ldflags "-w -s" -tags nobadger,nomysql,nopgx ./cmd/caddy
}

# A binary for another system cannot be run here.
runs_here() {
	[[ $(go env GOOS GOARCH) == "$(go env GOHOSTOS GOHOSTARCH)" ]]
}

report() {
	echo "built $output"
	"$output" version
	"$output" list-modules | grep -E '(^|\.)mfa(\.|$)' ||
		fail "$output does not list the mfa modules"
}

case ${1:-} in
-h | --help)
	usage
	exit 0
	;;
esac

command -v go >/dev/null || fail "go is not on PATH; see https://go.dev/dl/"
pinned=$(go -C "$here" list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)
version=${CADDY_VERSION:-$pinned}
output=${OUTPUT:-caddy}
[[ $output == /* ]] || output=$PWD/$output

if command -v xcaddy >/dev/null; then
	build_with_xcaddy "$@"
else
	build_with_go "$@"
fi
if runs_here; then report; fi
