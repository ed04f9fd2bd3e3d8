// Package rules keeps the rule files of a process: a [Book] turns them into
// policies and reads them again, a [Watcher] says when.
package rules

import "doorward/launcher/rules/book"

// A Book keeps rule files and the policies made of them: see package book.
type Book = book.Book

// ReadFile reads a file that may be written while it is read: see package
// book.
func ReadFile(name string) ([]byte, error) { return book.ReadFile(name) }
