// Package policy decides what a request has to prove.
//
// A site has one base [Requirement] and two kinds of path rules: exempt
// patterns, which let a request through without proof, and require rules,
// which ask for more. [Compile] checks them once; [Rules.Judge] applies them to
// a method and a path, and to nothing else: no query, fragment or header ever
// changes a judgement.
//
// Servers disagree about odd paths. One strips ";x" from a segment, another
// takes a backslash for a slash, a third decodes twice. The package therefore
// treats the two kinds of rules unlike:
//
//   - an exempt pattern holds only for a path that can be read in one way
//     ([Canonical]), compared byte for byte;
//   - a require rule holds as soon as any reading of the path lies under it.
//
// Everything is a pure function of its arguments: no I/O, no clock, no lock.
// All functions may be called from many goroutines at once. docs/paths.md tells
// operators the same in plain words.
package policy
