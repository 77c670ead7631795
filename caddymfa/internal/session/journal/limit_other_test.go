//go:build !unix

package journal_test

const limitedChild = "JOURNAL_TEST_LIMITED"

func writeUntilFull(string) {}
