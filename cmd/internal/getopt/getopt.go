// Package getopt takes command lines apart as djb's programs do: options are
// letters, several of which may share a hyphen, the last with its argument
// behind it (-vRHl0), and end with the first word that is none, since what
// follows is somebody else's command line.
//
// Packages flag and pflag do not fit: the one knows no bundles, the other
// demands a long name for each letter and has error messages of its own, where
// scripts know these.
package getopt

import "strings"

// Options says which options there are.
type Options struct {
	Program string // in messages
	Letters string // each letter; a colon behind it: takes an argument
	Long    string // long options that take an argument, separated by blanks; --NAME VALUE or --NAME=VALUE

	// Set hears of each option in the order of the command line. Its error
	// ends Parse.
	Set func(option, value string) error
}

// An Error is a command line that makes no sense, in the words of getopt(3).
type Error struct{ Program, Problem, Option string }

func (e *Error) Error() string { return e.Program + ": " + e.Problem + " -- " + e.Option }

// Parse reads the arguments behind the program's name and returns those behind
// the options. The error is an *Error, or that of Set.
func (o *Options) Parse(args []string) (rest []string, err error) {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			return args, nil
		case word[1] == '-':
			args, err = o.long(word[2:], args)
		default:
			args, err = o.bundle(word[1:], args)
		}
		if err != nil {
			return nil, err
		}
	}
	return args, nil
}

// bundle reads letters; the argument of the last may be the first of args.
func (o *Options) bundle(letters string, args []string) ([]string, error) {
	for ; letters != ""; letters = letters[1:] {
		option := letters[:1]
		i := strings.Index(o.Letters, option)
		if i < 0 || option == ":" {
			return nil, &Error{o.Program, "illegal option", option}
		}
		if !strings.HasPrefix(o.Letters[i+1:], ":") {
			if err := o.Set(option, ""); err != nil {
				return nil, err
			}
			continue
		}
		return o.argument(option, letters[1:], letters[1:] != "", args)
	}
	return args, nil
}

func (o *Options) long(word string, args []string) ([]string, error) {
	name, value, has := strings.Cut(word, "=")
	for known := range strings.FieldsSeq(o.Long) {
		if name == known {
			return o.argument(name, value, has, args)
		}
	}
	return nil, &Error{o.Program, "illegal option", "-" + name}
}

func (o *Options) argument(option, value string, has bool, args []string) ([]string, error) {
	if !has {
		if len(args) == 0 {
			return nil, &Error{o.Program, "option requires an argument", option}
		}
		value, args = args[0], args[1:]
	}
	return args, o.Set(option, value)
}
