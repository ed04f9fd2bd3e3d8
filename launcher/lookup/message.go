package lookup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxCNAME is how many aliases of aliases are followed.
const maxCNAME = 16

var (
	errNotOurs = errors.New("not the reply to this question")
	errNoEDNS  = errors.New("the server does not know EDNS")
)

// A question is what a resolver asks.
type question struct {
	dnsmessage.Question
	plain bool // without EDNS, for servers that choke on it
}

func newQuestion(name string, typ dnsmessage.Type) (question, error) {
	n, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return question{}, err
	}
	return question{Question: dnsmessage.Question{Name: n, Type: typ, Class: dnsmessage.ClassINET}}, nil
}

// explain says what was asked when err came of it.
func (q *question) explain(err error) error { return fmt.Errorf("%q: %w", text(q.Name), err) }

// newID returns an id that cannot be guessed: the generator behind it is
// ChaCha8, seeded by the kernel.
func newID() uint16 { return uint16(rand.Uint32()) }

// pack appends the query to b.
func (q *question) pack(b []byte, id uint16) ([]byte, error) {
	m := dnsmessage.NewBuilder(b, dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := m.StartQuestions(); err != nil {
		return nil, err
	}
	if err := m.Question(q.Question); err != nil {
		return nil, err
	}
	if q.plain {
		return m.Finish()
	}
	if err := m.StartAdditionals(); err != nil {
		return nil, err
	}
	var opt dnsmessage.ResourceHeader
	if err := opt.SetEDNS0(maxUDP, dnsmessage.RCodeSuccess, false); err != nil {
		return nil, err
	}
	if err := m.OPTResource(opt, dnsmessage.OPTResource{}); err != nil {
		return nil, err
	}
	return m.Finish()
}

// parse reads a message that came in answer to the query with that id. It
// returns errNotOurs for one that is no reply to it.
func (q *question) parse(msg []byte, id uint16) (Records, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || !h.Response || h.ID != id || h.OpCode != 0 {
		return Records{}, errNotOurs
	}
	if !q.echoed(&p, h) {
		return Records{}, errNotOurs
	}
	switch {
	case !q.plain && (h.RCode == dnsmessage.RCodeFormatError || h.RCode == dnsmessage.RCodeNotImplemented):
		return Records{}, errNoEDNS
	case h.Truncated:
		return Records{}, errTruncated
	case h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError:
		return Records{}, fmt.Errorf("%w: %s", errServer, rcode(h.RCode))
	}
	rec, n, err := q.answers(&p)
	if err != nil {
		return Records{}, fmt.Errorf("%w: %w", errServer, err)
	}
	if n == 0 || h.RCode == dnsmessage.RCodeNameError {
		return Records{Name: rec.Name, TTL: negativeTTL(&p)}, ErrAbsent
	}
	return rec, nil
}

// echoed reports whether the reply repeats the question. A server that
// cannot read the query may leave it out.
func (q *question) echoed(p *dnsmessage.Parser, h dnsmessage.Header) bool {
	got, err := p.Question()
	if err == dnsmessage.ErrSectionDone {
		return h.RCode == dnsmessage.RCodeFormatError || h.RCode == dnsmessage.RCodeNotImplemented
	}
	if err != nil || got.Type != q.Type || got.Class != q.Class || !sameName(got.Name, q.Name) {
		return false
	}
	_, err = p.Question()
	return err == dnsmessage.ErrSectionDone
}

// answers gathers the records of the type asked for, of the name asked for or
// of the one its CNAMEs lead to, and counts them.
func (q *question) answers(p *dnsmessage.Parser) (rec Records, n int, err error) {
	owner, aliases := q.Name, 0
	first := true
	for {
		h, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			rec.Name = text(owner)
			return rec, n, nil
		}
		if err != nil {
			return rec, n, err
		}
		ours := h.Class == dnsmessage.ClassINET && sameName(h.Name, owner)
		switch {
		case ours && h.Type == dnsmessage.TypeCNAME && q.Type != dnsmessage.TypeCNAME && n == 0:
			if aliases++; aliases > maxCNAME {
				return rec, n, errors.New("too many aliases")
			}
			var c dnsmessage.CNAMEResource
			if c, err = p.CNAMEResource(); err == nil {
				owner = c.CNAME
			}
		case ours && h.Type == q.Type:
			n++
			err = rec.add(p, h.Type)
		default:
			err = p.SkipAnswer()
			ours = false
		}
		if err != nil {
			return rec, n, err
		}
		if ours && (first || ttl(h.TTL) < rec.TTL) {
			rec.TTL, first = ttl(h.TTL), false
		}
	}
}

// add reads the body of a record.
func (rec *Records) add(p *dnsmessage.Parser, typ dnsmessage.Type) error {
	switch typ {
	case dnsmessage.TypeA:
		a, err := p.AResource()
		rec.Addrs = append(rec.Addrs, netip.AddrFrom4(a.A))
		return err
	case dnsmessage.TypeAAAA:
		a, err := p.AAAAResource()
		rec.Addrs = append(rec.Addrs, netip.AddrFrom16(a.AAAA))
		return err
	case dnsmessage.TypePTR:
		ptr, err := p.PTRResource()
		rec.Names = append(rec.Names, text(ptr.PTR))
		return err
	case dnsmessage.TypeTXT:
		txt, err := p.TXTResource()
		rec.Texts = append(rec.Texts, strings.Join(txt.TXT, ""))
		return err
	}
	return p.SkipAnswer()
}

// negativeTTL reads how long an absence may be remembered (RFC 2308, 5).
func negativeTTL(p *dnsmessage.Parser) time.Duration {
	if p.SkipAllAnswers() != nil {
		return 0
	}
	for {
		h, err := p.AuthorityHeader()
		if err != nil {
			return 0
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return 0
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			return 0
		}
		return min(ttl(h.TTL), ttl(soa.MinTTL))
	}
}

// ttl reads a time to live; one with the top bit set is 0 (RFC 2181, 8).
func ttl(seconds uint32) time.Duration {
	if seconds >= 1<<31 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// text returns a name without its final dot.
func text(n dnsmessage.Name) string {
	return strings.TrimSuffix(string(n.Data[:n.Length]), ".")
}

// sameName compares as DNS does: without regard to the case of ASCII letters,
// and of nothing else.
func sameName(a, b dnsmessage.Name) bool {
	if a.Length != b.Length {
		return false
	}
	for i := range a.Length {
		if lower(a.Data[i]) != lower(b.Data[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// rcode names a response code as RFC 1035 and its readers do.
func rcode(c dnsmessage.RCode) string {
	switch c {
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return fmt.Sprintf("RCODE %d", uint16(c))
}
