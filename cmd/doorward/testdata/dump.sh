# Tells its client everything a daemon is started with. /proc/self is that of
# the program that reads it, which inherited what this shell did.
echo "== argv"; for a; do echo "$a"; done
echo "== env"; tr '\0' '\n' </proc/$$/environ
echo "== fds"; (cd /proc/$$/fd && for f in [0-9] [0-9][0-9]; do [ -e "$f" ] || [ -L "$f" ] || continue; echo "$f $(readlink "$f")"; done)
echo "== flags"; for f in 0 1 2; do sed -n "s/^flags:[^0-9]*/$f /p" /proc/$$/fdinfo/$f; done
echo "== signals"; grep -E '^Sig(Blk|Ign)' /proc/self/status
echo "== ids"; grep -E '^(Uid|Gid|Groups):' /proc/self/status
echo "== umask"; umask
echo "== cwd"; pwd -P
echo "== session"; cut -d' ' -f1,6 /proc/$$/stat
echo "== end"
cat >/dev/null # a session lasts until its client hangs up
