package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A service with its socket, as many Django sites have it.
func TestSystemd(t *testing.T) {
	r, err := Convert([]string{"testdata/systemd/shop.service", "testdata/systemd/shop.socket"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/systemd/shop.golden", told(r))
}

// A setting has its place, and what means something else is told.
func TestServiceSettings(t *testing.T) {
	for name, test := range map[string]struct {
		lines string
		want  []string // parts of the result, or not, with a ! before
	}{
		"defaults": {"", []string{"user = \"www\"\n", `command = "/bin/web -x"`, `umask = "0022"`, `restart = "never"`, `stop = [["TERM", "1m30s", "group"]]`,
			`log = { to = "journal" }`, "strategy = \"replace\"", "web.service = web/web.1", "!ready", "!env_inherit", "!directory"}},
		"always":           {"Restart=always\nRestartSec=1min 500ms\n", []string{"!restart", `backoff = { initial = "1m0.5s", max = "1m0.5s" }`}},
		"on abort":         {"Restart=on-abort\n", []string{`restart = "on-failure"`, "different: Restart=on-abort"}},
		"on success":       {"Restart=on-success\n", []string{"by_hand: not converted: Restart=on-success", "![process"}},
		"one-off":          {"Type=oneshot\nTimeoutStartSec=2h\nRemainAfterExit=yes\n", []string{`ready = { exit = true, timeout = "2h0m0s" }`, "restart = \"never\"\n", "!RemainAfterExit"}},
		"notify":           {"Type=notify\nTimeoutStartSec=5\nWatchdogSec=20\n", []string{`ready = { notify = true, timeout = "5s" }`, `watchdog = "20s"`}},
		"forking":          {"Type=forking\nPIDFile=/run/x\n", []string{"by_hand: not converted: Type=forking", "![process"}},
		"reload":           {"ExecReload=/bin/kill -USR1 ${MAINPID}\n", []string{`reload_signal = "USR1"`, "!ExecReload"}},
		"other reload":     {"ExecReload=/bin/web reload\n", []string{"by_hand: ExecReload=/bin/web …", "!/bin/web reload"}},
		"stop":             {"KillSignal=SIGINT\nTimeoutSec=5\nKillMode=mixed\n", []string{`stop = [["INT", "5s"]]`}},
		"stop command":     {"ExecStop=/bin/kill -s QUIT $MAINPID\n", []string{`stop = [["QUIT", "1m30s", "group"]]`}},
		"never stops":      {"TimeoutStopSec=infinity\nKillMode=process\n", []string{`stop = [["TERM", "24h0m0s"]]`, "different: KillMode=process"}},
		"gives up":         {"Restart=always\nStartLimitBurst=7\n", []string{"give_up_after = 7\n"}},
		"exit codes":       {"SuccessExitStatus=143 SIGKILL\n", []string{"success_exit = [0, 143]", "different: SuccessExitStatus=SIGKILL"}},
		"limits":           {"LimitNOFILE=1K:2K\nLimitCORE=infinity\nLimitMEMLOCK=64M\nNice=-5\nOOMScoreAdjust=100\nCPUAffinity=0-2 5\n", []string{`limits = { nofile = "1024:2048", core = "unlimited", memlock = 67108864 }`, "nice = -5\n", "oom_score_adjust = 100\n", "cpu_affinity = [0, 1, 2, 5]"}},
		"capabilities":     {"AmbientCapabilities=CAP_NET_BIND_SERVICE cap_chown\n", []string{`capabilities = ["chown", "net_bind_service"]`}},
		"root":             {"User=\nCapabilityBoundingSet=CAP_CHOWN\n", []string{"allow_root = true", `capabilities = ["chown"]`, "no User="}},
		"log":              {"StandardOutput=append:/var/log/%p.log\nStandardError=inherit\n", []string{`log = { file = "/var/log/web.log" }`}},
		"no log":           {"StandardOutput=null\nStandardError=journal\n", []string{`log = { to = "none" }`, "StandardError goes where"}},
		"environment":      {"Environment=A=1 \"B=2 {3}\" 'C=x y'\nEnvironment=A=4\n", []string{`A = "4"`, `B = "2 {{3}}"`, `C = "x y"`}},
		"taken back":       {"Environment=A=1\nEnvironment=\nEnvironment=B=2\n", []string{`B = "2"`, "!A = "}},
		"inherited":        {"PassEnvironment=B A\n", []string{`env_inherit = ["A", "B"]`}},
		"secret":           {"Environment=API_TOKEN=hunter2\n", []string{"# file: web.web.env\nAPI_TOKEN=\"hunter2\"\n", "!API_TOKEN = "}},
		"secret in a word": {"Environment=API_TOKEN=hunter2\nExecStart=\nExecStart=/bin/web $API_TOKEN\n", []string{`command = "/bin/web {env.API_TOKEN}"`, "!= \"hunter"}},
		"secret beside":    {"Environment=API_TOKEN=hunter2\nEnvironmentFile=/etc/web\n", []string{"by_hand: API_TOKEN is left out", `env_file = "/etc/web"`, "!hunter2"}},
		"two files":        {"EnvironmentFile=/etc/a\nEnvironmentFile=/etc/b\n", []string{`env_file = "/etc/a"`, "by_hand: a second EnvironmentFile: a process has one, put /etc/b"}},
		"known variable":   {"Environment=\"A=1 2\" B=x\nExecStart=\nExecStart=/bin/web $A ${A} --b=${B} $$C $5\n", []string{`command = "/bin/web 1 2 {env.A} --b={env.B} $C $5"`, "!different: $NAME"}},
		"unset variable":   {"ExecStart=\nExecStart=/bin/web $A b${A}c ${PATH}\n", []string{`command = "/bin/web bc {env.PATH}"`, "never_worked: nothing sets $A"}},
		"colon":            {"ExecStart=\nExecStart=:/bin/web $A {}\n", []string{`command = "/bin/web $A {{}}"`}},
		"quotes":           {"ExecStart=\nExecStart=/bin/web \"a b\" 'c\\x20d' e\\tf\n", []string{`command = ["/bin/web", "a b", "c d", "e\tf"]`}},
		"rights":           {"ExecStart=\nExecStart=+/bin/web\n", []string{"by_hand: not converted: '+' before the program"}},
		"several":          {"ExecStart=/bin/b\n", []string{"by_hand: not converted: several ExecStart"}},
		"specifiers":       {"WorkingDirectory=%t/%N\n", []string{`directory = "/run/web"`}},
		"unknown one":      {"WorkingDirectory=%b\n", []string{"by_hand: not converted: %b is not known"}},
		"home":             {"WorkingDirectory=~\n", []string{"by_hand: not converted: WorkingDirectory=~"}},
		"optional home":    {"WorkingDirectory=-/srv/x\n", []string{`directory = "/srv/x"`, "different: - before the WorkingDirectory"}},
		"directories": {"StateDirectory=web/a %p\nStateDirectoryMode=0700\nRuntimeDirectory=web:old\nGroup=adm\nConfigurationDirectory=web\n", []string{
			`STATE_DIRECTORY = "/var/lib/web/a:/var/lib/web"`, "by_hand: StateDirectory=web/a: make it at boot, with a line in /etc/tmpfiles.d: d /var/lib/web/a 0700 www adm",
			`RUNTIME_DIRECTORY = "/run/web"`, "d /run/web 0755 www adm", `CONFIGURATION_DIRECTORY = "/etc/web"`, "d /etc/web 0755 root root", "!dropped"}},
		"credentials":      {"LoadCredential=key:/etc/key\nSetCredential=pw:hunter2\n", []string{"by_hand: LoadCredential: there is no directory", "by_hand: SetCredential: there", "!hunter2"}},
		"another root":     {"RootDirectory=/srv/root\nBindPaths=/a:/b\nTemporaryFileSystem=/x\n", []string{"by_hand: RootDirectory: the files are those of this machine", "by_hand: BindPaths: nothing is mounted", "by_hand: TemporaryFileSystem", "!narrowed"}},
		"age":              {"RuntimeMaxSec=1d\nRestartPreventExitStatus=3\nStandardInput=socket\n[Unit]\nOnFailure=mail@%n.service\n", []string{"by_hand: RuntimeMaxSec: ", "by_hand: RestartPreventExitStatus: ", "by_hand: StandardInput: ", "by_hand: OnFailure=mail@%n.service: "}},
		"scheduling":       {"CPUSchedulingPolicy=rr\nLogLevelMax=3\nFailureAction=reboot\n", []string{"different: CPUSchedulingPolicy: ", "different: LogLevelMax: ", "by_hand: FailureAction: "}},
		"semicolon":        {"ExecStart=\nExecStart=/bin/find . -exec rm {} \\; x\n", []string{`command = "/bin/find . -exec rm {{}} ; x"`}},
		"no limit":         {"LimitNOFILE=infinity\nLimitNPROC=infinity\n", []string{`limits = { nofile = 1048576, nproc = "unlimited" }`, "different: LimitNOFILE=infinity"}},
		"clean signals":    {"Restart=on-failure\n", []string{"different: Restart=on-failure: a worker that somebody kills"}},
		"for ever":         {"Type=notify\nTimeoutStartSec=0\nTimeoutStopSec=infinity\n", []string{`ready = { notify = true, timeout = "24h0m0s" }`, `stop = [["TERM", "24h0m0s", "group"]]`, "different: TimeoutStartSec: a day", "different: TimeoutStopSec: a day"}},
		"a one-off's time": {"Type=oneshot\nTimeoutStartSec=30\n", []string{`ready = { exit = true, timeout = "30s" }`}},
		"of both":          {"Type=oneshot\nTimeoutSec=40\n", []string{`ready = { exit = true, timeout = "40s" }`, `stop = [["TERM", "40s"`}},
		"a one-off":        {"Type=oneshot\n", []string{`ready = { exit = true, timeout = "24h0m0s" }`, "!a day is waited"}},
		"as root":          {"PermissionsStartOnly=true\nSendSIGKILL=no\nKillMode=none\nSyslogIdentifier=x\n", []string{"by_hand: PermissionsStartOnly", "different: SendSIGKILL=no", "different: KillMode=none: it gets", "different: SyslogIdentifier"}},
		"words":            {"Environment=ONE='one' \"TWO='two two' too\" THREE=\nExecStart=\nExecStart=/bin/echo $ONE $TWO $THREE\n", []string{`command = ["/bin/echo", "one", "two two", "too"]`}},
		"several files":    {"EnvironmentFile=/etc/x/*.env\n", []string{"by_hand: EnvironmentFile=/etc/x/*.env", "!env_file ="}},
		"dynamic":          {"DynamicUser=yes\nEnvironment=API_KEY=hunter2\nProtectSystem=full\n", []string{"by_hand: not converted: DynamicUser", "!different", "!secrets"}},
		"hardening":        {"ProtectSystem=full\nPrivateTmp=no\nMemoryMax=1G\n", []string{"different: ProtectSystem:", "different: MemoryMax:", "!PrivateTmp"}},
		"before":           {"ExecStartPre=/bin/mkdir {x}\nExecStopPost=-/bin/rm \"a b\"\n", []string{`hooks = { pre_start = { command = "/bin/mkdir {{x}}", timeout = "1m30s" }, post_stop = { command = ["/bin/sh", "-c", "\"$0\" \"$@\" || :", "/bin/rm", "a b"], timeout = "1m30s" } }`, "!by_hand: "}},
		"secret before":    {"ExecStartPre=/bin/a --token=hunter2\nEnvironmentFile=/etc/web\n", []string{"by_hand: what looks like a secret", "SECRET_1=\"hunter2\"", "!env_file = \"/etc/web\""}},
		"behind a one-off": {"Type=oneshot\nExecStartPost=/bin/a\nExecStartPre=/bin/b\n", []string{"by_hand: ExecStartPost=/bin/a", `hooks = { pre_start = { command = "/bin/b"`}},
		"two before":       {"ExecStartPre=/bin/a\nExecStartPre=/bin/b\n", []string{`pre_start = { command = "/bin/a"`, "by_hand: ExecStartPre=/bin/b"}},
		"before as root":   {"ExecStartPre=+/bin/chown www x\n", []string{"by_hand: ExecStartPre=+/bin/chown …", "[process.web]", "!hooks ="}},
		"stops by itself":  {"ExecStop=/bin/web stop\n", []string{`hooks = { pre_stop = { command = "/bin/web stop"`}},
		"needs its pid":    {"ExecStop=/bin/web stop $MAINPID\n", []string{"by_hand: ExecStop=/bin/web …"}},
		"groups":           {"SupplementaryGroups=audio\n", []string{"by_hand: SupplementaryGroups=audio"}},
		"other":            {"BusName=x\n", []string{"dropped: BusName has no counterpart"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := converted(t, "web.service", "[Unit]\nAfter=network.target\n[Service]\nExecStart=/bin/web -x\nUser=www\n"+test.lines+"[Install]\nWantedBy=multi-user.target\n", Options{})
			wants(t, got, test.want)
		})
	}
}

// The instance of a template is known by its name, or is the slot.
func TestTemplateUnits(t *testing.T) {
	text := "[Service]\nUser=www\nExecStart=/bin/web --port 80%i\n"
	got := converted(t, "web@.service", text, Options{})
	for _, want := range []string{"# file: web.toml", "[process.web]", `command = "/bin/web --port 80{slot}"`, "by_hand: %i is the slot here"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s", want, got)
		}
	}
	got = converted(t, "web@3.service", text, Options{})
	if !strings.Contains(got, `command = "/bin/web --port 803"`) || !strings.Contains(got, "web@3.service = web-3/web-3.1") {
		t.Errorf("%s", got)
	}
	got = converted(t, "web@.service", text+"Environment=DB=postgres://u:hunter2x@db%i/x\n", Options{})
	wants(t, got, []string{`DB = "postgres://u:{env.SECRET_1}@db{slot}/x"`, "SECRET_1=\"hunter2x\"\n", "!u:hunter2x"})
	got = converted(t, `web@srv-a\x2db.service`, "[Service]\nUser=www\nExecStart=/bin/web %I %i\n", Options{})
	wants(t, got, []string{`command = ["/bin/web", "srv/a-b", "srv-a\\x2db"]`})
	if got = converted(t, "web@.service", text+"WorkingDirectory=/srv/%i\n", Options{}); strings.Contains(got, "[process") {
		t.Errorf("%s", got)
	}
}

// Drop-ins hold over the unit, in the order of their names.
func TestDropIns(t *testing.T) {
	dir := lay(t, map[string]string{
		"web.service":               "[Service]\nExecStart=/bin/a\nUser=www\nNice=1\n",
		"web.service.d/20-b.conf":   "[Service]\nNice=3\n",
		"web.service.d/10-a.conf":   "[Service]\nExecStart=\nExecStart=/bin/b\nNice=2\n",
		"web.service.d/ignored.txt": "nonsense",
	})
	r, err := Convert([]string{filepath.Join(dir, "web.service")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(r); !strings.Contains(got, `command = "/bin/b"`) || !strings.Contains(got, "nice = 3\n") {
		t.Errorf("%s", got)
	}
}

// A unit of the machine has its drop-ins in any directory of the machine's, an instance those
// of its template too.
func TestDropInsElsewhere(t *testing.T) {
	dir := lay(t, map[string]string{
		"lib/web@.service":                "[Service]\nExecStart=/bin/a\nUser=www\nNice=1\n",
		"lib/web@x.service":               "[Service]\nExecStart=/bin/a\nUser=www\nNice=1\n",
		"etc/web@x.service.d/20-b.conf":   "[Service]\nNice=3\n",
		"lib/web@x.service.d/20-b.conf":   "[Service]\nNice=4\nUMask=0077\n",
		"lib/web@.service.d/30-c.conf":    "[Service]\nExecStart=\nExecStart=/bin/b %i\n",
		"other/web@x.service.d/40-d.conf": "[Service]\nNice=9\n",
		"etc/service.d/50-all.conf":       "[Service]\nOOMScoreAdjust=7\n",
		"lib/a-b.service":                 "[Service]\nExecStart=/bin/a\nUser=www\n",
		"lib/a-.service.d/x.conf":         "[Service]\nUMask=0001\n",
		"lib/a-b.service.d/x.conf":        "[Service]\nUMask=0002\n",
	})
	if err := os.Symlink("/dev/null", filepath.Join(dir, "etc/service.d/60-off.conf")); err != nil {
		t.Fatal(err)
	}
	was := unitDirectories
	defer func() { unitDirectories = was }()
	unitDirectories = []string{filepath.Join(dir, "etc"), filepath.Join(dir, "lib")}
	r, err := Convert([]string{filepath.Join(dir, "lib/web@x.service")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, told(r), []string{`command = "/bin/b x"`, "nice = 3\n", "oom_score_adjust = 7", "!0077"})
	if r, err = Convert([]string{filepath.Join(dir, "lib/a-b.service")}, Options{}); err != nil {
		t.Fatal(err)
	}
	wants(t, told(r), []string{`umask = "0002"`})
}

func TestSockets(t *testing.T) {
	service := "[Service]\nExecStart=/bin/web\nUser=www\n"
	for name, test := range map[string]struct {
		socket string
		want   []string
	}{
		"path":      {"ListenStream=/run/a\nSocketGroup=www\n", []string{"listen = \"unix:/run/a\"\ngroup = \"www\"\nmode = \"0666\"\n", `sockets = ["web"]`, "![rollout]"}},
		"addresses": {"ListenStream=127.0.0.1:80\nListenStream=[::1]:81\nListenDatagram=514\nBacklog=9\n", []string{`"tcp:127.0.0.1:80"`, `"tcp:[::1]:81"`, `"udp:*:514"`, "backlog = 9\n", `sockets = ["web", "web-2", "web-3"]`}},
		"abstract":  {"ListenStream=@web\n", []string{"by_hand: not converted: ListenStream=@web: an abstract socket", "![process"}},
		"named":     {"ListenStream=80\nFileDescriptorName=http\n", []string{"[socket.http]"}},
		"accept":    {"ListenStream=80\nAccept=yes\n", []string{"by_hand: not converted: Accept=yes", "![process"}},
		"fifo":      {"ListenFIFO=/run/f\n", []string{"by_hand: not converted: ListenFIFO"}},
		"datagrams": {"ListenDatagram=/run/d\n", []string{"by_hand: not converted: ListenDatagram with a path"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := lay(t, map[string]string{"web.service": service, "web.socket": "[Socket]\n" + test.socket})
			r, err := Convert([]string{filepath.Join(dir, "web.socket"), filepath.Join(dir, "web.service")}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := told(r)
			wants(t, got, test.want)
		})
	}
	dir := lay(t, map[string]string{"a.socket": "[Socket]\nListenStream=80\nService=b.service\n"})
	if _, err := Convert([]string{filepath.Join(dir, "a.socket")}, Options{}); err == nil || !strings.Contains(err.Error(), "is for b.service, which is not among the files") {
		t.Error(err)
	}
}

// Units that become one app are ordered as they were.
func TestUnitsOfOneApp(t *testing.T) {
	dir := lay(t, map[string]string{
		"web.service":  "[Unit]\nAfter=network.target prep.service\n[Service]\nExecStart=/bin/web\nUser=www\n",
		"prep.service": "[Service]\nType=oneshot\nExecStart=/bin/prep\nUser=www\n",
	})
	r, err := Convert([]string{filepath.Join(dir, "web.service"), filepath.Join(dir, "prep.service")}, Options{App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(r); !strings.Contains(got, `after = ["prep"]`) || !strings.Contains(got, "prep.service = shop/prep.1") {
		t.Errorf("%s", got)
	}
}

func TestUnitErrors(t *testing.T) {
	dir := lay(t, map[string]string{"a.service": "User=x\n[Service]\nnothing\nUser=www\nExecStart=/bin/a 'b\nUMask=9\nTimeoutStopSec=soon\nKillSignal=NO\nLimitNOFILE=x\nNice=x\nCPUAffinity=x\nType=odd\nEnvironment=x\n"})
	_, err := Convert([]string{filepath.Join(dir, "a.service")}, Options{})
	if err == nil || !strings.Contains(err.Error(), "a.service:1: is no [Section]") || !strings.Contains(err.Error(), "a.service:3: is no [Section]") {
		t.Error(err)
	}
	dir = lay(t, map[string]string{"a.service": "[Service]\nUser=www\nExecStart=/bin/a 'b\nUMask=9\nTimeoutStopSec=soon\nKillSignal=NO\nLimitNOFILE=x\nNice=x\nCPUAffinity=x\nType=odd\nEnvironment=x\nWorkingDirectory=/%\n", "b.service": "[Service]\nUser=x\n"})
	_, err = Convert([]string{filepath.Join(dir, "a.service"), filepath.Join(dir, "b.service")}, Options{})
	for _, want := range []string{"a.service:3: no command", "a.service:4: UMask", "a.service:5: TimeoutStopSec", "a.service:6: KillSignal", "a.service:7: LimitNOFILE",
		"a.service:8: Nice", "a.service:9: CPUAffinity", "a.service:10: Type", "a.service:11: Environment", "a.service:12: a % at the end", "b.service: has no ExecStart"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestUnitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`a  b	c`: {"a", "b", "c"}, `"a b"c 'd"e'`: {"a bc", `d"e`}, `""`: {""}, `a\x41\101\u00e9\sb`: {"aAAé b"}, `\q`: {`\q`}, `"a\"b"`: {`a"b`},
		`"a`: nil, `a\`: nil,
	} {
		got, err := unitWords(line)
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (want == nil) {
			t.Errorf("%s: %v, -want +got:\n%s", line, err, diff)
		}
	}
}

func FuzzUnit(f *testing.F) {
	f.Add("[Service]\nExecStart=/bin/a \\\n# x\n b ${A} $B %i %% 'c\\x41'\nUser=www\nEnvironment=\"A=1\" B=2\nLimitNOFILE=1K:infinity\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := &conversion{read: []string{"x"}}
		s := &service{conversion: c, unit: &unit{source: "x@.service", settings: map[string][]setting{}}, name: "x@.service", old: "x@", used: map[string]bool{}}
		s.unit.read("x@.service", text, &c.errors)
		s.convert()
		isTOML(t, c)
	})
}
