# A day with supd on a Debian with systemd, nginx and redis, as one who comes from
# supervisord goes through it. Run as root in the container, by TestDay.
set -eu

# says COMMAND… -- PATTERN: it succeeds, and prints that. fails CODE COMMAND… -- PATTERN:
# it ends with the code. until_says waits for it. Patterns are grep's, extended.
says() { fails 0 "$@"; }

fails() {
    code=$1; shift; command=
    while [ "$1" != -- ]; do command="$command '$1'"; shift; done
    status=0; out=$(eval "$command" 2>&1) || status=$?
    if [ $status != "$code" ]; then
        echo "day: $command ends with $status, want $code: $out"; exit 1
    fi
    if ! echo "$out" | grep -Eq -- "$2"; then
        echo "day: $command prints: $out"; echo "day: want $2"; exit 1
    fi
}

until_says() {
    for _ in $(seq 600); do
        if (says "$@") >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    says "$@"
}

page() { curl -sS http://127.0.0.1/; }

whose_release() { supctl run whois -- sh -c 'echo $SUPD_VERSION by $(id -un)'; }

as_dev() { setpriv --reuid dev --regid dev --init-groups "$@"; }

dev_runs() { as_dev supctl run whois -- id -un; }

step() { echo "== $*"; }

day() {

step "morning: the package is installed, and nothing runs"
dpkg -i /root/supd_1.0.deb >/dev/null
says systemctl is-active supd -- '^active$'
says supctl status -- 'nothing runs: no app is configured'
test -e /usr/share/doc/supd/README.md

step "the first app, as one writes it who knows supervisord"
useradd --system --home-dir /srv/whois --create-home --shell /usr/sbin/nologin whois
app=/etc/supd/apps/whois.toml
cat > $app <<'EOF'
user = "whois"
[socket.web]
listen = "unix:/run/whois/web.sock"
group  = "www-data"
[program.web]
command = "gunicorn --workers 2 whois:wsgi"
autorestart = true
EOF
fails 6 supctl check -- 'apps/whois.toml:5: program\.web: .*\[process\.web\] here'
sed -i 's/program.web/process.web/' $app
fails 6 supctl apply -- 'apps/whois.toml:7: .*autorestart.*restart = "always"'
says supctl status -- 'not applied: what root .*apps/whois.toml:7'
fails 4 supctl start whois -- 'apps/whois\.toml'
cat > $app <<'EOF'
user = "whois"
[release]
path = "/opt/whois"
[socket.web]
listen = "unix:/run/whois/web.sock"
group  = "www-data"
[process.web]
command = "gunicorn --workers 2 whois:wsgi"
sockets = ["web"]
ready   = { http = "/" }
stop    = [["TERM", "35s"]]
[process.worker]
command = "celery -A whois worker -l info --concurrency 1 -n {process}{slot}-{generation}@%h"
ready   = { log = "ready\\.$", timeout = "60s" }
stop    = [["TERM", "60s"]]
after   = ["web"]
[process.note]
command   = "python3 -c 'import whois; whois.note.delay(\"from a job\")'"
autostart = false
restart   = "never"
[rollout]
min_ready = "100ms"
bake      = "500ms"
EOF
says supctl check -- '^ok: 1 app, 3 processes'
says supctl apply -- 'whois'
fails 3 supctl status whois -- 'no release is active; `supctl deploy whois`'

step "its package, nginx before it, and redis behind it"
systemctl start redis-server nginx
cat > /etc/nginx/sites-enabled/default <<'EOF'
server { listen 80; location / { proxy_pass http://unix:/run/whois/web.sock; } }
EOF
systemctl reload nginx
dpkg -i /root/whois_1.0.deb >/dev/null
says supctl wait whois --for ready --timeout 60s -- 'whois/worker\.1'
says supctl status -- 'whois/web\.1 +RUNNING +pid [0-9]+, uptime .*, release 1\.0'
says page -- '^hello from 1\.0$'
says supctl start whois/note -- 'whois/note\.1: (started|finished)'
until_says cat /srv/whois/notes -- 'from a job'
until_says supctl status -- 'whois/note\.1 +EXITED'
says stat -c %U /proc/$(supctl pid whois/web) -- '^whois$'

step "a change of the configuration"
until_says supctl releases whois -- '^1\.0 +active'
says whose_release -- '^1\.0 by whois$'
printf '[env]\nGREETING = "good day"\n' >> $app
pid=$(supctl pid whois/web)
says supctl diff -- 'whois/web\.1 +replace +env\.GREETING'
says supctl reread -- 'whois/worker\.1 +replace'
says supctl update -- 'whois/web\.1: replaced'
says page -- '^good day from 1\.0$'
test "$(supctl pid whois/web)" != "$pid"
sed -i 's/^min_ready/# a comment\n&/' $app
says supctl apply -- 'nothing has changed'

step "a change that does not work"
sed -i 's/--workers 2/--workrs 2/' $app
fails 9 supctl apply -- 'whois/web\.1: .*goes on'
says page -- '^good day from 1\.0$'
fails 3 supctl status -- 'whois/web\.1 +RUNNING.*runs the configuration of [0-9:]+; the new one failed: '
fails 1 systemctl reload supd -- 'failed'
sed -i 's/--workrs 2/--workers 1/' $app
says systemctl reload supd -- '^$'
says supctl status -- 'whois/web\.1 +RUNNING'
printf 'broken' >> $app
fails 6 supctl apply -- 'apps/whois\.toml:[0-9]+: '
until_says systemctl status supd -- 'not applied since'
sed -i '$ d' $app
says supctl apply -- 'nothing has changed'

step "what goes on: output, the log, what it uses"
page >/dev/null
says supctl logs -n 5 whois/web -- 'served /'
says supctl tail -n 5 --prefix whois/web -- 'whois/web'
fails 1 supctl logs supd -- 'journalctl -u supd'
until_says journalctl -u supd --no-pager -- 'configuration changed, replacing workers'
says supctl clear whois/web -- 'whois/web'
says supctl top --once -- 'whois/web\.1'
says supctl check-health -- '^SUPD OK'
says curl -sS http://127.0.0.1:9188/metrics -- 'supd_worker_up\{app="whois",process="web",slot="1"\} 1'

step "something dies"
kill -9 $(supctl pid whois/web)
until_says supctl status -- 'whois/web\.1 +RUNNING.*1 restart.*killed by SIGKILL'
says page -- '^good day from 1\.0$'
systemctl kill --kill-who=main -s KILL supd
until_says supctl status -- 'whois/web\.1 +RUNNING'
says page -- '^good day from 1\.0$'

step "a new version, a bad one, and back"
dpkg -i /root/whois_1.1.deb >/dev/null
until_says page -- 'from 1\.1$'
says supctl wait whois --for ready --timeout 60s -- 'whois/web\.1'
mkdir /tmp/bad
dpkg-deb -R /root/whois_1.2.deb /tmp/bad
echo 'raise SystemExit("broken")' >> /tmp/bad/opt/whois/whois.py
dpkg-deb --root-owner-group -Znone -b /tmp/bad /root/whois_bad.deb >/dev/null
dpkg -i /root/whois_bad.deb >/dev/null
until_says supctl releases whois -- '1\.2 .*failed'
says page -- 'from 1\.1$'
fails 9 supctl deploy whois 1.2 -- 'broken'
says supctl rollback whois -- '1\.0'
says page -- 'from 1\.0$'
fails 1 supctl rollback whois -- 'no previous release'
says supctl hold whois --reason "the auditors are here" -- 'held'
fails 1 supctl deploy whois 1.1 -- 'the auditors are here'
says supctl unhold whois -- 'whois'
says supctl deploy whois 1.1 -- '1\.1 deployed'

step "a developer may restart his own app, and no other"
useradd --system dev
usermod -a -G supd dev
sed -i '1 i operators = ["dev"]' $app
printf 'user = "nobody"\n[process.main]\ncommand = "sleep 1000"\n' > /etc/supd/apps/other.toml
says supctl apply -- 'other/main\.1: started'
says as_dev supctl restart whois/web -- 'restarted'
fails 5 as_dev supctl restart other -- 'permitted|may not'
fails 5 dev_runs -- 'allow_run'
sed -i '1 i allow_run = true' $app
says supctl apply -- 'whois|nothing has changed'
says dev_runs -- '^whois$'
until_says journalctl -u supd --no-pager -- 'refused.*dev'

step "the day's end: what is stopped stays so, and supd is upgraded"
says supctl stop other -- 'other/main\.1: stopped'
says supctl stop --persist whois/worker -- 'whois/worker\.1: stopped'
pid=$(supctl pid whois/web)
dpkg -i /root/supd_1.1.deb >/dev/null
says supctl version -- 'supd 1\.1'
test "$(supctl pid whois/web)" = "$pid"
fails 3 supctl status -- 'other/main\.1 +STOPPED'
systemctl enable -q nginx redis-server

}

night() {

step "after the reboot"
until_says page -- 'good day from 1\.1$'
until_says supctl status other -- 'other/main\.1 +RUNNING'
until_says supctl status -- 'whois/worker\.1 +STOPPED' # nginx has an answer before supd calls web ready
says supctl start whois/worker -- 'whois/worker\.1: started'
says supctl start whois/note -- 'whois/note\.1: (started|finished)'
until_says grep -c job /srv/whois/notes -- '^2$'

step "and away with it"
rm /etc/supd/apps/other.toml
says supctl apply -- 'other/main\.1: stopped'
dpkg -P whois >/dev/null
for pid in /proc/[0-9]*; do test "$(stat -c %U $pid 2>/dev/null)" != whois; done
dpkg -P supd >/dev/null
fails 4 systemctl status supd -- 'could not be found'
for left in /run/supd /var/lib/supd /var/log/supd; do test ! -e $left; done

}

"$1"
