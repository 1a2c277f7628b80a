package configs

import (
	"cmp"
	"fmt"
	"strings"
)

// counterpart is for a name of another supervisor's, for who comes from there.
type counterpart struct {
	of    string // whose
	write string // what is written here instead, in TOML; "" where nothing is
	note  string
}

func (f counterpart) String() string {
	said := "is " + f.of + "'s name; "
	if f.write != "" {
		said += strings.TrimSpace("write " + f.write + " " + f.note)
	} else {
		said += f.note
	}
	return said
}

const (
	supervisord = "supervisord"
	circus      = "circus"
)

// foreignTo gives the names that are known to belong to what a T is here.
func foreignTo[T any]() map[string]counterpart {
	switch any((*T)(nil)).(type) {
	case *Process:
		return foreignProcess
	case *Daemon:
		return foreignDaemon
	case *Control:
		return foreignControl
	case *Socket:
		return foreignSocket
	}
	return nil
}

var oneLog = counterpart{supervisord, "", "standard error goes into the log of the process, with standard output; remove it, and for lines that say which they are set log.prefix = \"stream\""}

var noListeners = counterpart{supervisord, "", "supd has no event listeners; remove it"}

// foreignProcess are options of supervisord's [program:x] and of circus' [watcher:x].
var foreignProcess = map[string]counterpart{
	"autorestart":             {supervisord, `restart = "always"`, `for true, "on-failure" for unexpected, "never" for false`},
	"environment":             {supervisord, `env = { NAME = "value" }`, ""},
	"exitcodes":               {supervisord, `success_exit = [0, 2]`, ""},
	"killasgroup":             {supervisord, "", "KILL goes to all that a worker has started, always; for other signals of stop write stopasgroup's \"group\"; remove it"},
	"numprocs":                {supervisord, `count = 2`, ""},
	"numprocs_start":          {supervisord, "", "the slots of a process are numbered from 1, {slot} in a command, and {slot0} from 0; remove it"},
	"priority":                {"supervisord's and circus", `after = ["OTHER"]`, "which waits until that process is ready, or remove it"},
	"process_name":            {supervisord, "", "workers are named APP/PROCESS.SLOT; remove it"},
	"redirect_stderr":         {supervisord, "", "both outputs go into the log of the process; remove it"},
	"serverurl":               {supervisord, "", "remove it"},
	"startretries":            {supervisord, `give_up_after = 4`, "which counts the first try too, or leave it out: supd goes on slowly"},
	"startsecs":               {supervisord, `ready = { uptime = "5s" }`, "or better a question to the program: http, tcp, log, notify"},
	"stderr_capture_maxbytes": noListeners,
	"stderr_events_enabled":   noListeners,
	"stderr_logfile":          oneLog,
	"stderr_logfile_backups":  oneLog,
	"stderr_logfile_maxbytes": oneLog,
	"stderr_syslog":           oneLog,
	"stdout_capture_maxbytes": noListeners,
	"stdout_events_enabled":   noListeners,
	"stdout_logfile":          {supervisord, `log = "/var/log/NAME.log"`, `or leave it out for AUTO; { to = "stdout" } for /dev/stdout, { to = "none" } for NONE, { to = "syslog" } for syslog`},
	"stdout_logfile_backups":  {supervisord, `log = { keep = 10 }`, "which is at least 1; for 0 lower max_size"},
	"stdout_logfile_maxbytes": {supervisord, `log = { max_size = "50MiB" }`, "with KiB, MiB or GiB; 0 is never, as there"},
	"stdout_syslog":           {supervisord, `log = { to = "syslog" }`, `or { to = "journal" } where systemd runs`},
	"stopasgroup":             {supervisord, `stop = [["TERM", "30s", "group"]]`, "for true, with the signal and the time that all have together; for false remove it"},
	"stopsignal":              {supervisord, `stop = [["QUIT", "30s"]]`, "with the time that it has"},
	"stopwaitsecs":            {supervisord, `stop = [["TERM", "30s"]]`, "with the signal before the time"},

	"buffer_size":    noListeners,
	"events":         noListeners,
	"result_handler": noListeners,
	"socket":         {supervisord, `sockets = ["NAME"]`, "and a [socket.NAME] with listen"},
	"socket_backlog": {supervisord, "", "write it as backlog in a [socket.NAME]"},
	"socket_mode":    {supervisord, "", "write it as mode in a [socket.NAME]"},
	"socket_owner":   {supervisord, "", "write it as user and group in a [socket.NAME]"},

	"args":             {circus, `command = ["PROGRAM", "ARGUMENT"]`, "or all in one string"},
	"cmd":              {circus, `command = "PROGRAM ARGUMENTS"`, ""},
	"copy_env":         {circus, `env_inherit = ["*"]`, "or better the names that are wanted"},
	"copy_path":        {circus, `env_inherit = ["PATH"]`, ""},
	"executable":       {circus, `command = ["PROGRAM", "ARGUMENT"]`, ""},
	"gid":              {circus, `group = "NAME"`, ""},
	"graceful_timeout": {circus, `stop = [["TERM", "30s"]]`, "with the signal before the time"},
	"max_retry":        {circus, `give_up_after = 5`, ""},
	"numprocesses":     {circus, `count = 2`, ""},
	"respawn":          {circus, `restart = "always"`, `for true, "never" for false`},
	"rlimit_as":        {circus, `limits = { as = "2GiB" }`, ""},
	"rlimit_core":      {circus, `limits = { core = 0 }`, ""},
	"rlimit_fsize":     {circus, `limits = { fsize = "1GiB" }`, ""},
	"rlimit_memlock":   {circus, `limits = { memlock = "64KiB" }`, ""},
	"rlimit_nofile":    {circus, `limits = { nofile = 4096 }`, ""},
	"rlimit_nproc":     {circus, `limits = { nproc = 512 }`, ""},
	"rlimit_stack":     {circus, `limits = { stack = "8MiB" }`, ""},
	"send_hup":         {circus, "", "supctl restart replaces the workers one by one; remove it"},
	"shell":            {circus, `command = ["/bin/sh", "-c", "exec PROGRAM"]`, "or better do without a shell"},
	"singleton":        {circus, `count = 1`, ""},
	"stderr_stream":    {circus, "", oneLog.note},
	"stdout_stream":    {circus, `log = "/var/log/NAME.log"`, `or leave it out; { to = "stdout" } for StdoutStream`},
	"stop_children":    {circus, `stop = [["TERM", "30s", "group"]]`, "for true, with the signal and the time that all have together; for false remove it"},
	"stop_signal":      {circus, `stop = [["QUIT", "30s"]]`, "with the time that it has"},
	"uid":              {circus, `user = "NAME"`, ""},
	"use_sockets":      {circus, `sockets = ["NAME"]`, ""},
	"virtualenv":       {circus, `venv = "/srv/NAME/venv"`, ""},
	"warmup_delay":     {circus, "", "the workers of a process start at once, and are replaced one by one; remove it"},
	"working_dir":      {circus, `directory = "/srv/NAME"`, ""},
}

var standardError = counterpart{supervisord, "", "supd writes its own log to standard error, for systemd or the init script to keep; remove it"}

// foreignDaemon are options of supervisord's [supervisord] and of [circus].
var foreignDaemon = map[string]counterpart{
	"childlogdir":      {supervisord, `logs = "/var/log/supd"`, ""},
	"directory":        {supervisord, "", "a process has its own directory; write it there"},
	"environment":      {supervisord, "", "workers inherit nothing; write env in the app's file"},
	"identifier":       {supervisord, "", "remove it"},
	"logfile":          standardError,
	"logfile_backups":  standardError,
	"logfile_maxbytes": standardError,
	"loglevel":         standardError,
	"minfds":           {supervisord, "", "supd raises its own limit; a worker's is limits.nofile; remove it"},
	"minprocs":         {supervisord, "", "a worker's limit is limits.nproc; remove it"},
	"nocleanup":        {supervisord, "", "remove it"},
	"nodaemon":         {supervisord, "", "supd stays in the foreground; remove it"},
	"pidfile":          {supervisord, "", "start supd with --pidfile FILE"},
	"silent":           standardError,
	"strip_ansi":       {supervisord, "", "logs have what the programs write; remove it"},
	"umask":            {supervisord, "", "write umask for a process, or in [defaults.process]"},
	"user":             {supervisord, "", "supd runs as who starts it; write user in the app's file, for the workers"},

	"check_delay": {circus, "", "supd is told of each end of a worker; remove it"},
	"endpoint":    {circus, "", "write socket in [control], the path of a unix socket"},
	"httpd":       {circus, "", "write listen in [metrics] for Prometheus; supctl top shows the same"},
	"include":     {circus, `apps = "apps"`, "the directory of app files"},
	"statsd":      {circus, "", "write listen in [metrics] for Prometheus; supctl top shows the same"},
}

// foreignControl are options of supervisord's [unix_http_server].
var foreignControl = map[string]counterpart{
	"chmod":    {supervisord, `mode = "0660"`, ""},
	"chown":    {supervisord, `group = "adm"`, ""},
	"file":     {supervisord, `socket = "/run/supd/supd.sock"`, "or leave it out"},
	"password": {supervisord, "", "who may write to the socket may act: write mode and group"},
	"port":     {supervisord, "", "the control socket is a unix socket: write socket, mode and group"},
	"username": {supervisord, "", "who may write to the socket may act: write mode and group"},
}

// foreignSocket are options of circus' [socket:x].
var foreignSocket = map[string]counterpart{
	"family":       {circus, `listen = "tcp:127.0.0.1:8000"`, "with the family before the address: tcp, udp or unix"},
	"host":         {circus, `listen = "tcp:127.0.0.1:8000"`, ""},
	"path":         {circus, `listen = "unix:/run/NAME.sock"`, ""},
	"port":         {circus, `listen = "tcp:127.0.0.1:8000"`, ""},
	"so_reuseport": {circus, "", "the workers share the socket; remove it"},
	"umask":        {circus, `mode = "0660"`, ""},
}

// foreignSections are headers of theirs. What one called x holds is read as a table of
// here, so that its keys are told of as well.
var foreignSections = map[string]struct {
	of   string
	here string // "" where there is no such table
	note string
}{
	"program":          {supervisord, "process", ""},
	"fcgi-program":     {supervisord, "process", ""},
	"watcher":          {circus, "process", ""},
	"eventlistener":    {supervisord, "", `supd has no event listeners; write exit_on = "any-failed" in [daemon] of supd.toml to end when a process has failed, or remove it`},
	"group":            {supervisord, "", "an app is the group of the processes in its file: supctl restart APP is for all; remove it"},
	"include":          {supervisord, "", "supd reads each *.toml in the directory daemon.apps; remove it"},
	"supervisord":      {supervisord, "", "write [daemon] in supd.toml"},
	"supervisorctl":    {supervisord, "", "supctl finds supd by --socket or SUPD_SOCKET; remove it"},
	"unix_http_server": {supervisord, "", "write [control] in supd.toml"},
	"inet_http_server": {supervisord, "", "write [control] in supd.toml for the control socket, a unix socket, and [metrics] for what others may read"},
	"rpcinterface":     {supervisord, "", "remove it"},
	"circus":           {circus, "", "write [daemon] in supd.toml"},
	"plugin":           {circus, "", "supd has no plugins; remove it"},
}

// sectionRemedy says what is written instead of [KIND:NAME].
func sectionRemedy(header string) string {
	kind, name, _ := strings.Cut(header, ":")
	kind, name = strings.TrimSpace(kind), strings.TrimSpace(name)
	s, known := foreignSections[kind]
	switch {
	case known && s.here == "":
		return fmt.Sprintf("[%s] is %s's; %s", header, s.of, s.note)
	case known:
		return fmt.Sprintf("%s's [%s] is [%s] here", s.of, header, dotted(s.here, name))
	}
	return fmt.Sprintf("write [%s]", dotted(kind, name))
}

// sections reports the headers of other supervisors in a file's top table. In an app's
// file each [program.x] and ["program:x"] is read as a [process.x], if there is none.
func (in input) sections(ofApp bool) {
	for _, name := range sortedKeys(in.Table) {
		kind, _, colon := strings.Cut(name, ":")
		s, known := foreignSections[strings.TrimSpace(kind)]
		header := input{in.Table[name], in.scope}
		switch {
		case !colon && (!known || header.Kind != aTable):
			continue
		case colon || s.here == "":
			in.section(name, header.value, ofApp)
		default:
			for _, of := range sortedKeys(header.Table) {
				in.section(name+":"+of, header.Table[of], ofApp)
			}
		}
		delete(in.Table, name)
	}
}

func (in input) section(header string, v *value, ofApp bool) {
	kind, name, _ := strings.Cut(header, ":")
	kind, name = strings.TrimSpace(kind), strings.TrimSpace(name)
	here := cmp.Or(foreignSections[kind].here, kind)
	remedy := sectionRemedy(header)
	if here == "process" && !ofApp {
		remedy += ", in a file for each app: apps/APP.toml"
	}
	input{v, in.scope}.fail("%s", remedy)
	if !ofApp || here != "process" && here != "socket" || v.Kind != aTable {
		return
	}
	if in.Table[here] == nil {
		in.Table[here] = &value{Kind: aTable, Table: map[string]*value{}, Place: v.Place}
	}
	if all := in.Table[here]; all.Kind == aTable && all.Table[name] == nil {
		all.Table[name] = v
	}
}
