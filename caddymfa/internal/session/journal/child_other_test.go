//go:build !unix

package journal_test

func runAsChild() bool { return false }
