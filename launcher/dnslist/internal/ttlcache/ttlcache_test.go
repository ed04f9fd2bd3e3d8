package ttlcache_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"doorward/launcher/dnslist/internal/ttlcache"
)

func TestAValueEnds(t *testing.T) {
	c := ttlcache.New[string, int](1 << 10)
	c.Put("a", 1, 0, 10, 5)
	if v, ends, ok := c.Get("a", 9); v != 1 || ends != 10 || !ok {
		t.Error(v, ends, ok)
	}
	if _, _, ok := c.Get("a", 10); ok {
		t.Error("after its end")
	}
	c.Put("b", 1, 0, 5, 5)
	if _, _, ok := c.Get("b", 5); ok || c.Len() != 1 {
		t.Error("ended before it began")
	}
}

func TestWhatIsAskedForStays(t *testing.T) {
	c := ttlcache.New[int, int](10 << 10)
	c.Put(-1, 1, 0, time.Hour, 0)
	for i := range 10000 {
		c.Put(i, i, 0, time.Hour, 0)
		if _, _, ok := c.Get(-1, 0); !ok {
			t.Fatalf("gone after %d others", i)
		}
	}
}

// Whatever is put in, a cache holds no more than it may, and what it returns is
// what was put in last.
func TestCacheAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		max := rapid.IntRange(0, 2000).Draw(t, "max")
		c := ttlcache.New[int, int](max)
		type entry struct {
			v    int
			ends time.Duration
		}
		slow := map[int]entry{}
		var now time.Duration
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			k := rapid.IntRange(0, 20).Draw(t, "key")
			now += time.Duration(rapid.IntRange(0, 3).Draw(t, "later"))
			if rapid.Bool().Draw(t, "put") {
				ends := now + time.Duration(rapid.IntRange(0, 30).Draw(t, "kept"))
				c.Put(k, i, rapid.IntRange(0, 500).Draw(t, "extra"), ends, now)
				slow[k] = entry{i, ends}
			}
			v, ends, ok := c.Get(k, now)
			if e := slow[k]; ok && (e != entry{v, ends} || ends <= now) {
				t.Fatalf("got %v until %v at %v, want %v", v, ends, now, e)
			}
			if c.Size() > max {
				t.Fatalf("%d bytes of %d", c.Size(), max)
			}
		}
	})
}

type key struct {
	addr    [16]byte
	edition uint32
}

type answer struct {
	status uint8
	text   string
}

// A million clients take no more memory than the bound says, texts included.
func TestAMillionClientsKeepTheBound(t *testing.T) {
	const bound = 16 << 20
	before := heap()
	c := ttlcache.New[key, answer](bound)
	var most int64
	for i := range 1_000_000 {
		k := key{[16]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}, 1}
		v := answer{1, ""}
		if i%10 == 0 {
			v.text = strings.Clone(strings.Repeat("x", i%400))
		}
		c.Put(k, v, len(v.text), time.Hour, 0)
		if i%100_000 == 0 {
			most = max(most, heap()-before)
		}
	}
	most = max(most, heap()-before)
	t.Logf("%d entries, counted %d bytes, heap at most %d", c.Len(), c.Size(), most)
	if most > bound || c.Size() > bound {
		t.Errorf("heap %d, counted %d, bound %d", most, c.Size(), bound)
	}
	runtime.KeepAlive(c)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkGet(b *testing.B) {
	c := ttlcache.New[key, answer](16 << 20)
	k := key{[16]byte{7}, 1}
	c.Put(k, answer{}, 0, time.Hour, 0)
	for b.Loop() {
		c.Get(k, 0)
	}
}

func BenchmarkPutIntoAFullCache(b *testing.B) {
	c := ttlcache.New[key, answer](16 << 20)
	i := 0
	for b.Loop() {
		i++
		c.Put(key{[16]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, 1}, answer{}, 0, time.Hour, 0)
	}
}
