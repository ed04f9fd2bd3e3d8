package lookup

import "strings"

// InNetgroup reports whether a host is in a group of a netgroup(5) file, as
// innetgr(3) does for a host alone: users and domains are not looked at.
//
// A line is a group's name and its members, each a triple (host,user,domain)
// or the name of another group; a backslash at its end joins the next one. The
// first line of a group counts. An empty host is every host, "unknown"
// included. Hosts compare without regard to case, groups with. A group that
// does not exist, or is being read already, has no members.
func InNetgroup(src, group, host string) bool {
	g := groups{lines: netgroupLines(src), seen: map[string]bool{}}
	return g.has(group, host)
}

// netgroupLines returns the members of each group, unread.
func netgroupLines(src string) map[string]string {
	lines := map[string]string{}
	src = strings.ReplaceAll(src, "\\\n", " ")
	for line := range strings.Lines(src) {
		line = strings.TrimSpace(line)
		name, members, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		if name == "" || name[0] == '#' {
			continue
		}
		if _, ok := lines[name]; !ok {
			lines[name] = members
		}
	}
	return lines
}

type groups struct {
	lines map[string]string
	seen  map[string]bool // each group is read once, whatever names it
}

func (g groups) has(group, host string) bool {
	return g.any(group, func(h string) bool { return h == "" || strings.EqualFold(h, host) })
}

// any reports whether the group, or one that it names, has a triple whose host
// fits.
func (g groups) any(group string, fits func(host string) bool) bool {
	open := []string{group}
	for len(open) > 0 {
		group := open[len(open)-1]
		open = open[:len(open)-1]
		if g.seen[group] {
			continue
		}
		g.seen[group] = true
		found, nested := members(g.lines[group], fits)
		if found {
			return true
		}
		open = append(open, nested...)
	}
	return false
}

// members reports whether the host of a triple of the line fits, and returns
// the groups that the line names. It stops at a triple without its end.
func members(line string, fits func(host string) bool) (found bool, nested []string) {
	for {
		line = strings.TrimLeft(line, " ,\r\n")
		if line == "" {
			return false, nested
		}
		if line[0] != '(' {
			end := strings.IndexAny(line, " ,(\r\n")
			if end < 0 {
				end = len(line)
			}
			nested = append(nested, line[:end])
			line = line[end:]
			continue
		}
		triple, rest, ok := strings.Cut(line[1:], ")")
		fields := strings.Split(triple, ",")
		if !ok || len(fields) != 3 {
			return false, nested
		}
		if fits(strings.TrimSpace(fields[0])) {
			return true, nil
		}
		line = rest
	}
}
