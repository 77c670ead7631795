package caddymfa

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("mfa", parseApp)
	httpcaddyfile.RegisterDirective("mfa", parseSite)
	// After forward_auth the first login has named the user, and everything
	// that produces content is still to come.
	httpcaddyfile.RegisterDirectiveOrder("mfa", httpcaddyfile.After, "forward_auth")
}

// option is one line, or one block, inside a block of ours.
type option struct {
	read    func(d *caddyfile.Dispenser) error
	repeats bool // may be given more than once
}

// notYet are names that people may expect, with what there is to say to them.
var notYet = map[string]string{
	"once":      "once is not available in this version: use a short max_age",
	"fail_open": "fail_open does not exist: when OneLogin cannot be asked, nobody is let through",
}

// readBlock reads the block that d stands before. Unknown and repeated options
// are errors, on their own line.
func readBlock(d *caddyfile.Dispenser, block string, options map[string]option) error {
	first := make(map[string]int)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		known, ok := options[name]
		if !ok {
			return unknown(d, block, name, options)
		}
		if line, twice := first[name]; twice && !known.repeats {
			return d.Errf("%s is set twice in %s: first on line %d", name, block, line)
		}
		first[name] = d.Line()
		if err := known.read(d); err != nil {
			return err
		}
	}
	return nil
}

func unknown(d *caddyfile.Dispenser, block, name string, options map[string]option) error {
	if why, ok := notYet[name]; ok {
		return d.Err(why)
	}
	names := make([]string, 0, len(options))
	for known := range options {
		names = append(names, known)
	}
	slices.Sort(names)
	if meant, ok := policy.Suggest(name, names); ok {
		return d.Errf("unknown option %q in %s: did you mean %q?", name, block, meant)
	}
	return d.Errf("unknown option %q in %s: the options are %q", name, block, names)
}

// text reads an option with exactly one argument.
func text(into *string) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.NextArg() || d.Val() == "" {
			return d.Errf("%s needs a value", name)
		}
		*into = d.Val()
		return noMore(d, name)
	}}
}

// duration reads an option that is an age or a lifetime.
func duration(into *caddy.Duration) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if err := span(into).read(d); err != nil {
			return err
		}
		if err := checkAge(name, *into); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}}
}

// span reads an option that is a time span above zero.
func span(into *caddy.Duration) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		var written string
		name := d.Val()
		if err := text(&written).read(d); err != nil {
			return err
		}
		return parseSpan(d, name, written, into)
	}}
}

func parseSpan(d *caddyfile.Dispenser, name, written string, into *caddy.Duration) error {
	span, err := caddy.ParseDuration(written)
	if err != nil || span < 0 {
		return d.Errf("%s: %q is not a duration: write it like 30s, 15m, 8h or 7d", name, written)
	}
	*into = caddy.Duration(span)
	return nil
}

// factors reads a list of factor names.
func factors(into *[]string) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		names := d.RemainingArgs()
		if len(names) == 0 {
			return d.Err("factors needs at least one of protect sms email voice totp yubikey duo")
		}
		if _, err := policy.ParseFactors(names); err != nil {
			return d.WrapErr(err)
		}
		*into = names
		return nil
	}}
}

// flag reads an option that is on when it is there.
func flag(into *bool) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		*into = true
		return noMore(d, d.Val())
	}}
}

// brand reads a block with the looks of the pages.
func brand(into **Brand) option {
	return option{read: func(d *caddyfile.Dispenser) error {
		if err := noMore(d, "brand"); err != nil {
			return err
		}
		*into = new(Brand)
		return readBlock(d, "brand", map[string]option{
			"name": text(&(*into).Name),
			"logo": text(&(*into).Logo),
			"help": text(&(*into).Help),
		})
	}}
}

// noMore refuses a further argument on the option's line.
func noMore(d *caddyfile.Dispenser, name string) error {
	if d.NextArg() {
		return d.Errf("%s takes no further argument, got %q (use quotes around a value with spaces)", name, d.Val())
	}
	return nil
}
