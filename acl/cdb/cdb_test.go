package cdb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type kv struct{ key, value string }

func build(tb testing.TB, kvs ...kv) []byte {
	tb.Helper()
	var m Maker
	for _, x := range kvs {
		if _, err := m.Add([]byte(x.key), []byte(x.value)); err != nil {
			tb.Fatal(err)
		}
	}
	return m.Bytes()
}

func open(tb testing.TB, data []byte) *Reader {
	tb.Helper()
	r, err := New(data)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// all returns the values of key.
func all(tb testing.TB, r *Reader, key string) (vs []string) {
	tb.Helper()
	for rec, err := range r.All([]byte(key)) {
		if err != nil {
			tb.Fatal(err)
		}
		vs = append(vs, string(rec.Value))
	}
	return vs
}

// What Debian's tcprules wrote for
//
//	10.1-2.:deny,A="x"
//	:allow,B=/y/,C="z"
//	2001:db8::deny
//
// from the first record on; only four of the tables have slots.
const golden = `
	05000000 07000000 31302e312e 44002b413d7800
	05000000 07000000 31302e322e 44002b413d7800
	00000000 0a000000  2b423d79002b433d7a00
	09000000 02000000 323030313a6462383a 4400
	0000000000000000 0515000028080000
	0000000000000000 75bdd30600080000
	b8dee5083a080000 0000000000000000
	d6bcd30614080000 0000000000000000
`

func TestBytesAreThoseOfTheOriginal(t *testing.T) {
	want, err := hex.DecodeString(strings.Join(strings.Fields(golden), ""))
	if err != nil {
		t.Fatal(err)
	}
	data := build(t,
		kv{"10.1.", "D\x00+A=x\x00"}, kv{"10.2.", "D\x00+A=x\x00"},
		kv{"", "+B=y\x00+C=z\x00"}, kv{"2001:db8:", "D\x00"})
	if got := data[headerSize:]; !bytes.Equal(got, want) {
		t.Errorf("got\n%x\nwant\n%x", got, want)
	}
}

func TestAnEmptyDatabaseIsItsHeader(t *testing.T) {
	data := build(t)
	if len(data) != headerSize {
		t.Fatalf("%d bytes", len(data))
	}
	r := open(t, data)
	if _, ok, err := r.Find(nil); ok || err != nil {
		t.Errorf("Find = %v, %v", ok, err)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

func TestOfEqualKeysTheFirstCounts(t *testing.T) {
	r := open(t, build(t, kv{"a", "1"}, kv{"b", "2"}, kv{"a", "3"}, kv{"", "4"}, kv{"a", ""}))
	for key, want := range map[string]string{"a": "1", "b": "2", "": "4"} {
		if rec, ok, err := r.Find([]byte(key)); !ok || err != nil || string(rec.Value) != want {
			t.Errorf("Find(%q) = %q, %v, %v, want %q", key, rec.Value, ok, err, want)
		}
	}
	if got := fmt.Sprintf("%q", all(t, r, "a")); got != `["1" "3" ""]` {
		t.Errorf("All = %s", got)
	}
}

// A Maker is used up by Bytes.
func TestMakerStartsAgain(t *testing.T) {
	var m Maker
	m.Add([]byte("a"), nil)
	first := m.Bytes()
	m.Add([]byte("b"), nil)
	if r := open(t, m.Bytes()); all(t, r, "a") != nil || len(all(t, r, "b")) != 1 {
		t.Error("the second database has the records of the first")
	}
	if r := open(t, first); len(all(t, r, "a")) != 1 || all(t, r, "b") != nil {
		t.Error("the first database has the records of the second")
	}
}

// As slow as it gets: all records in one table, in the order of one search.
func TestManyRecordsOfOneKey(t *testing.T) {
	const n = 200_000
	var m Maker
	for i := range n {
		m.Add(nil, binary.LittleEndian.AppendUint32(nil, uint32(i)))
	}
	r := open(t, m.Bytes())
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	next := uint32(0)
	for rec, err := range r.All(nil) {
		if got := binary.LittleEndian.Uint32(rec.Value); err != nil || got != next {
			t.Fatalf("record %d is %d, %v", next, got, err)
		}
		next++
	}
	if next != n {
		t.Errorf("%d records, want %d", next, n)
	}
}

// pairs draws records with few keys, so that there are equal ones, and with
// keys whose hashes meet in one slot.
func pairs() *rapid.Generator[[]kv] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) kv {
		return kv{rapid.StringMatching(`[ab]{0,3}|[a-z]{4}`).Draw(t, "key"), rapid.StringN(0, 3, -1).Draw(t, "value")}
	}), 0, 60)
}

// The oracle is the list of what was added.
func TestReaderAgreesWithAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := pairs().Draw(rt, "records")
		r := open(t, build(t, list...))
		if err := r.Check(); err != nil {
			rt.Fatal(err)
		}
		asked := rapid.StringMatching(`[ab]{0,3}|[a-z]{4}`).Draw(rt, "asked")
		for _, key := range []string{asked, "", "a", "ab"} {
			var want []string
			for _, x := range list {
				if x.key == key {
					want = append(want, x.value)
				}
			}
			if got := all(t, r, key); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				rt.Fatalf("All(%q) = %q, want %q", key, got, want)
			}
		}
		var got []kv
		for rec, err := range r.Records() {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, kv{string(rec.Key), string(rec.Value)})
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", list) && len(list) > 0 {
			rt.Fatalf("Records = %q, want %q", got, list)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := build(t, kv{"a", "1"}, kv{"b", "2"})
	set := func(at int, v uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
	tests := map[string][]byte{
		"nothing":                         nil,
		"half a header":                   good[:headerSize-1],
		"a cut file":                      good[:len(good)-1],
		"text":                            []byte(strings.Repeat("10.:allow\n", 300)),
		"a table in the header":           set(0, 8),
		"a table beyond the end":          set(8, uint32(len(good)+1)),
		"a table longer than the file":    set(12, 1<<31),
		"a table so long that it wraps":   set(12, 1<<29),
		"tables longer than file, summed": bytes.Repeat([]byte{0, 8, 0, 0, 1, 0, 0, 0}, tables+1),
	}
	for name, data := range tests {
		if _, err := New(data); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// Each damage is one that a plain look-up would answer with "no such key".
func TestCheckFindsWhatLookupsDoNot(t *testing.T) {
	good := build(t, kv{"a", "1"}, kv{"b", "2"}, kv{"a", "3"})
	if err := open(t, good).Check(); err != nil {
		t.Fatal(err)
	}
	n := hash([]byte("a")) % tables
	pos, slots := pair(good[8*n:])
	if slots != 4 {
		t.Fatalf("%d slots", slots)
	}
	used := func(b []byte, k int) []byte { // the kth used slot
		for i := range slots {
			s := b[pos+8*i:][:8]
			if _, p := pair(s); p != 0 {
				if k--; k < 0 {
					return s
				}
			}
		}
		panic("no such slot")
	}
	damages := map[string]func([]byte){
		"a lost slot":             func(b []byte) { clear(used(b, 0)) },
		"a wrong hash":            func(b []byte) { used(b, 0)[0] ^= 1 },
		"a slot used twice":       func(b []byte) { copy(used(b, 0), used(b, 1)) },
		"a key written over":      func(b []byte) { b[headerSize+8] = 'c' },
		"a slot to the inside":    func(b []byte) { used(b, 0)[4]++ },
		"a record too long":       func(b []byte) { b[headerSize] = 200 },
		"a table lost":            func(b []byte) { b[8*n+4] = 0 },
		"a table moved elsewhere": func(b []byte) { copy(b[8*(n+1):], b[8*n:8*n+8]); clear(b[8*n+4 : 8*n+8]) },
		"slots out of reach": func(b []byte) {
			tab := b[pos:][:8*slots]
			copy(tab, append(bytes.Clone(tab[8:]), tab[:8]...))
		},
	}
	for name, damage := range damages {
		b := bytes.Clone(good)
		damage(b)
		r, err := New(b)
		if err == nil {
			err = r.Check()
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// FuzzRead: whatever the bytes, each look-up ends, and a file that passes
// Check answers as its own list of records does.
func FuzzRead(f *testing.F) {
	f.Add(build(f), []byte("a"))
	f.Add(build(f, kv{"a", "1"}, kv{"", "2"}, kv{"a", "3"}), []byte("a"))
	f.Add(build(f, kv{"192.0.2.", "D\x00"}, kv{"=", "+A=x\x00"})[:headerSize+40], []byte("="))
	f.Fuzz(func(t *testing.T, data, key []byte) {
		r, err := New(data)
		if err != nil {
			return
		}
		for rec, err := range r.All(key) {
			if err == nil && !bytes.Equal(rec.Key, key) {
				t.Fatalf("All(%q) found %q", key, rec.Key)
			}
		}
		rec, ok, err := r.Find(key)
		if ok && !bytes.Equal(rec.Key, key) {
			t.Fatalf("Find(%q) found %q", key, rec.Key)
		}
		if r.Check() != nil {
			return
		}
		if err != nil {
			t.Fatalf("checked, but Find: %v", err)
		}
		listed := false
		for rec, err := range r.Records() {
			if err != nil {
				t.Fatalf("checked, but Records: %v", err)
			}
			listed = listed || bytes.Equal(rec.Key, key)
			if _, found, err := r.Find(rec.Key); !found || err != nil {
				t.Fatalf("checked, but Find(%q) = %v, %v", rec.Key, found, err)
			}
		}
		if ok != listed {
			t.Fatalf("Find(%q) = %v, listed %v", key, ok, listed)
		}
	})
}

func million(b *testing.B) (data []byte, keys [][]byte) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var m Maker
	for i := range 1_000_000 {
		x := rnd.Uint32()
		key := fmt.Appendf(nil, "%d.%d.%d.%d", x>>24, x>>16&255, x>>8&255, x&255)
		m.Add(key, []byte("D\x00"))
		if i%100 == 0 {
			keys = append(keys, key)
		}
	}
	return m.Bytes(), keys
}

func BenchmarkFind(b *testing.B) {
	data, keys := million(b)
	r, err := New(data)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok, _ := r.Find(keys[i%len(keys)]); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkMakeMillion(b *testing.B) {
	key, value := []byte("192.0.2.0000000"), []byte("D\x00")
	for b.Loop() {
		var m Maker
		for i := range 1_000_000 {
			binary.BigEndian.PutUint32(key[8:], uint32(i))
			m.Add(key, value)
		}
		m.Bytes()
	}
}

func BenchmarkCheckMillion(b *testing.B) {
	data, _ := million(b)
	r, err := New(data)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := r.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
