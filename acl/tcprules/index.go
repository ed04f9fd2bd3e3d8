package tcprules

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"strings"

	"doorward/acl/cdb"
	"doorward/acl/cidr"
)

// FromCDB reads the constant database that tcprules(1) made. The error wraps
// cdb.ErrCorrupt; data must not change while the rules are in use.
func FromCDB(name string, data []byte) (*Rules, error) {
	db, err := cdb.New(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := db.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for rec := range db.Records() {
		if v := rec.Value; len(v) > 0 && v[len(v)-1] != 0 {
			return nil, fmt.Errorf("%s: %w of rules: %q: value %q", name, cdb.ErrCorrupt, rec.Key, v)
		}
	}
	return newRules(name, data)
}

// newRules looks through the keys of a database that is known to be sound.
func newRules(name string, data []byte) (*Rules, error) {
	db, err := cdb.New(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &Rules{name: name, data: data, db: db}
	r.facts = factsOf(db)
	nets, err := cidr.Build(1, prefixes(db))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if nets.Len() > 0 {
		r.nets = nets
	}
	return r, nil
}

// needs says which facts can make a difference, so that the others are not
// asked for: asking costs DNS queries and the patience of an ident client.
type needs struct {
	name       bool        // some key begins with =
	userAtName bool        // some key is user@=name
	users      *cdb.Reader // what comes after the @, address or =name; nil: no key has one
}

func factsOf(db *cdb.Reader) (f needs) {
	var users cdb.Maker
	for rec := range db.Records() {
		key := rec.Key
		if len(key) > 0 && key[0] == '=' {
			f.name = true
		}
		f.userAtName = f.userAtName || bytes.Contains(key, []byte("@=")) // a name may have an @ in it, too
		at := bytes.LastIndexByte(key, '@')
		if at < 0 {
			continue
		}
		place := key[at+1:]
		users.Add(place, nil) // fits: it is less than what is in db
	}
	if users.Len() > 0 {
		f.users, _ = cdb.New(users.Bytes())
	}
	return f
}

// usersAt reports whether a user at a place, an address or =name, can have a
// rule. A name with an @ in it may: then the key does not tell where the user
// ends.
func (f *needs) usersAt(place []byte) bool {
	if f.users == nil {
		return false
	}
	_, ok, _ := f.users.Find(place)
	return ok || bytes.IndexByte(place, '@') >= 0
}

// A net is a rule whose key is a prefix in bits.
type net struct {
	pos  uint32 // of its record
	bits uint8
}

// prefixes yields the keys that are prefixes in bits.
func prefixes(db *cdb.Reader) iter.Seq2[netip.Prefix, net] {
	return func(yield func(netip.Prefix, net) bool) {
		for rec := range db.Records() {
			p, ok := parsePrefix(rec.Key)
			if ok && !yield(p, net{rec.Pos, uint8(p.Bits())}) {
				return
			}
		}
	}
}

// parsePrefix reads 192.0.2.0/24 or [2001:db8::]/32. Without the brackets an
// IPv6 prefix is an address like any other, and so is what is no prefix at all.
func parsePrefix(key []byte) (netip.Prefix, bool) {
	if bytes.IndexByte(key, '/') < 0 {
		return netip.Prefix{}, false
	}
	s := string(key)
	addr, bits, ok := strings.Cut(s, "]/")
	bracketed := ok && addr != "" && addr[0] == '['
	if bracketed {
		s = addr[1:] + "/" + bits
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4() == bracketed {
		return netip.Prefix{}, false
	}
	p, err = cidr.Canonical(p)
	return p, err == nil
}
