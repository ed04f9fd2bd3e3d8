// Package book turns the rule files of a process into policies, and reads them
// again when it is told to.
//
// A [Book] answers from one complete page at a time. A reload reads every
// file that has changed, and only if all of them can be understood is the new
// page turned to, by one atomic store: no connection ever sees half of a
// change, and a mistake in a file leaves everybody with the last good rules.
//
// It is apart from package rules, which follows changes, because programs run
// once a connection need not link what watches files.
package book

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/acl/hosts"
	"doorward/acl/tcprules"
)

// A Book keeps rule files and the policies made of them. Its fields must not
// change after the first call of a method.
type Book struct {
	HostsAllow, HostsDeny string      // for "hosts"; empty: /etc/hosts.allow, /etc/hosts.deny
	Warn                  func(error) // hears of lines that mean something else than they seem to; nil: nobody

	mu   sync.Mutex // one reload at a time
	page atomic.Pointer[page]
}

// A page is a complete set of policies by the word that asked for them. It
// does not change.
type page map[string]entry

type entry struct {
	policy acl.Policy
	files  map[string]sum // what it was made of
}

// A sum tells whether a file is another one now. A missing file has the zero
// sum. The seed is this process's own, so nobody can make two files that have
// the same; and unlike package crypto, whose 32 MB of zeros are mapped into
// every program that has it, it leaves room for programs under softlimit(8).
type sum [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func sumOf(b []byte) sum { return sum{maphash.Bytes(seeds[0], b), maphash.Bytes(seeds[1], b)} }

// Policy returns the policy that words, those of a service's rules attribute,
// name together, in the way of acl.All:
//
//	hosts           hosts.allow and hosts.deny
//	tcprules:FILE   FILE as tcprules(1) reads it, text or cdb
//	rblsmtpd        what a word before it set RBLSMTPD to, as rblsmtpd(1) has it
//
// It follows later reloads; one request is judged by one page. The error
// names every line that could not be understood.
func (b *Book) Policy(words ...string) (acl.Policy, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := maps.Clone(b.current())
	var errs []error
	for _, word := range words {
		if _, ok := next[word]; ok {
			continue
		}
		e, err := b.load(word)
		errs = append(errs, err)
		next[word] = e
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.page.Store(&next)
	return chapter{b, words}, nil
}

// Reload reads again every file that has changed. On an error nothing
// changes, and the next Reload tries again; it names every line that could not
// be understood.
func (b *Book) Reload() (changed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	quietly(func() bool {
		changed, err = b.reload()
		return changed || err != nil
	})
	return changed, err
}

func (b *Book) reload() (changed bool, err error) {
	next := maps.Clone(b.current())
	var errs []error
	for _, word := range slices.Sorted(maps.Keys(next)) {
		if unchanged(next[word].files) {
			continue
		}
		e, err := b.load(word)
		errs = append(errs, err)
		next[word] = e
		changed = true
	}
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	if changed {
		b.page.Store(&next)
	}
	return changed, nil
}

// Keep forgets every policy that none of words names.
func (b *Book) Keep(words []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := maps.Clone(b.current())
	maps.DeleteFunc(next, func(word string, _ entry) bool { return !slices.Contains(words, word) })
	b.page.Store(&next)
}

// Files returns the names of all files the policies were made of, those that
// do not exist included: a reload looks at them.
func (b *Book) Files() []string {
	var names []string
	for _, e := range b.current() {
		names = slices.AppendSeq(names, maps.Keys(e.files))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (b *Book) current() page {
	if p := b.page.Load(); p != nil {
		return *p
	}
	return page{} // nothing asked for yet
}

// A chapter is the policy of some words on whichever page is open.
type chapter struct {
	book  *Book
	words []string
}

func (c chapter) Decide(r *acl.Request) acl.Decision {
	page := *c.book.page.Load()
	all := make(acl.All, 0, 4)
	for _, word := range c.words {
		e, ok := page[word]
		if !ok { // forgotten by Keep: nobody should be asking any more
			return acl.Decision{Verdict: acl.Deny}
		}
		all = append(all, e.policy)
	}
	return all.Decide(r)
}

// load makes the policy of a word from its files as they are now.
func (b *Book) load(word string) (entry, error) {
	in := input{sums: map[string]sum{}}
	kind, file, _ := strings.Cut(word, ":")
	var p acl.Policy
	var err error
	switch {
	case word == "hosts":
		p, err = b.hosts(&in)
	case kind == "tcprules" && file != "":
		p, err = loadTCPRules(&in, file)
	case word == "rblsmtpd":
		p = dnsbl.Rblsmtpd{}
	default:
		err = fmt.Errorf("%q: want hosts, tcprules:FILE or rblsmtpd", word)
	}
	return entry{p, in.sums}, err
}

func (b *Book) hosts(in *input) (acl.Policy, error) {
	allow, err1 := b.table(in, orName(b.HostsAllow, "/etc/hosts.allow"))
	deny, err2 := b.table(in, orName(b.HostsDeny, "/etc/hosts.deny"))
	return hosts.Access{Allow: allow, Deny: deny}, errors.Join(err1, err2)
}

// table reads one table of hosts_access(5). One that does not exist is empty.
func (b *Book) table(in *input, name string) (*hosts.Rules, error) {
	src, err := in.read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	t, err := hosts.Parse(name, src, in.pattern)
	if err != nil {
		return nil, err
	}
	for _, w := range t.Warnings() {
		b.warn(w)
	}
	return t, nil
}

func (b *Book) warn(err error) {
	if b.Warn != nil {
		b.Warn(err)
	}
}

func loadTCPRules(in *input, name string) (acl.Policy, error) {
	src, err := in.read(name)
	if err != nil {
		return nil, err
	}
	return tcprules.Load(name, src)
}

// input reads files and remembers what they held.
type input struct{ sums map[string]sum }

func (in *input) read(name string) (string, error) {
	b, err := ReadFile(name)
	if err != nil {
		in.sums[name] = sum{}
		return "", err
	}
	in.sums[name] = sumOf(b)
	return string(b), nil
}

// pattern reads a pattern file of hosts_access(5).
func (in *input) pattern(name string) (string, error) {
	src, err := in.read(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EISDIR) {
		return "", fmt.Errorf("%w: %w", hosts.ErrNoFile, err)
	}
	return src, err
}

// unchanged says whether the files still hold what they held.
func unchanged(files map[string]sum) bool {
	now := input{sums: map[string]sum{}}
	for name := range files {
		now.read(name)
	}
	return maps.Equal(now.sums, files)
}

func orName(name, otherwise string) string {
	if name != "" {
		return name
	}
	return otherwise
}
