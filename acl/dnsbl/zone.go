package dnsbl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"doorward/acl"
)

// maxZone is how long a zone may be, so that the 64 bytes of an IPv6 client's
// nibbles before it still make a name of at most 253.
const maxZone = 253 - 64

// maxWeight keeps sums far from overflow.
const maxWeight = 1000

// A Zone is a list, what in its answers counts, and how much.
type Zone struct {
	Name   string // lower case, no dot at the end
	Codes  Codes
	Weight int     // below 0: an allow list; 0: asked for the log only
	Pos    acl.Pos // where it was named
}

func (z *Zone) rule() acl.Pos {
	if z.Pos == (acl.Pos{}) {
		return acl.Pos{File: z.Name}
	}
	return z.Pos
}

// ParseZones reads block lists: words, with blanks or commas between them, of
// the form
//
//	zone[=codes][*weight]
//
// where codes are as [ParseCodes] reads them and weight is a number up to
// 1000, 1 if left out. As in postscreen(8) a weight below 0 makes it an allow
// list. ParseZones returns what it understood and, joined, an
// [acl.SyntaxError] for each word it did not.
func ParseZones(pos acl.Pos, src string) ([]Zone, error) {
	return parse(pos, src, func(z *Zone) error { return nil })
}

// ParseAllow is ParseZones for allow lists: the weights are written without a
// sign and count against the block lists.
func ParseAllow(pos acl.Pos, src string) ([]Zone, error) {
	return parse(pos, src, func(z *Zone) error {
		if z.Weight < 0 {
			return errors.New("the weight of an allow list has no sign")
		}
		z.Weight = -z.Weight
		return nil
	})
}

func parse(pos acl.Pos, src string, check func(*Zone) error) ([]Zone, error) {
	var zones []Zone
	var errs []error
	for _, word := range strings.FieldsFunc(src, separator) {
		z, err := parseZone(word)
		if err == nil {
			err = check(&z)
		}
		if err != nil {
			errs = append(errs, &acl.SyntaxError{Pos: pos, Text: word, Err: err})
			continue
		}
		z.Pos = pos
		zones = append(zones, z)
	}
	return zones, errors.Join(errs...)
}

func separator(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func parseZone(word string) (z Zone, err error) {
	rest, weight, weighted := strings.Cut(word, "*")
	name, codes, coded := strings.Cut(rest, "=")
	z = Zone{Weight: 1}
	if z.Name, err = parseName(name); err != nil {
		return z, err
	}
	if coded {
		if z.Codes, err = ParseCodes(codes); err != nil {
			return z, err
		}
	}
	if weighted {
		z.Weight, err = strconv.Atoi(weight)
		if err != nil || z.Weight == 0 || z.Weight > maxWeight || z.Weight < -maxWeight {
			return z, fmt.Errorf("want a weight from 1 to %d after the *", maxWeight)
		}
	}
	return z, nil
}

// parseName returns name in lower case and without the dot at its end.
func parseName(name string) (string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if len(name) > maxZone {
		return "", fmt.Errorf("a zone has at most %d bytes", maxZone)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", errors.New("not the name of a zone")
		}
	}
	return name, nil
}
