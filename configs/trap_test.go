package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTraps has one table of an app file for each trap, with the words that the
// warning must have in it, in order of line and text; no words: no warning.
func TestTraps(t *testing.T) {
	const quiet = "sockets = [\"web\"]\nready = { http = \"/\" }\nstop = [[\"TERM\", \"2m\"]]\n"
	celery := func(args string) string {
		return "command = \"celery -A x worker " + args + "\"\nstop = [[\"TERM\", \"2m\"]]\n"
	}
	uwsgi := func(args string) string {
		return "command = ['uwsgi', '--master', '--need-app', '--hook-master-start', 'unix_signal:15  gracefully_kill_them_all', " + args + "]\nsockets = [\"web\"]\n"
	}
	const quit = "stop = [[\"QUIT\", \"30s\"]]\n"
	const patient = "stop = [[\"TERM\", \"5m\"]]\n"
	const uvicorn = "command = \"/srv/x/bin/uvicorn --fd {socket.web} --timeout-graceful-shutdown 20 "
	tests := []struct {
		name, process string
		want          []string
	}{
		{"gunicorn, well", "command = \"gunicorn x\"\n" + quiet, nil},
		{"gunicorn of a venv", "command = \"/srv/x/bin/gunicorn --bind=fd://3 x\"\n" + quiet, []string{"4: process.web.command: with --bind fd://"}},
		{"gunicorn by module", "command = \"python3.11 -E -m gunicorn -bunix:/x x\"\n" + quiet, []string{"command: with --bind unix:"}},
		{"gunicorn by script", "command = \"/usr/bin/python3 /usr/bin/gunicorn3 -b unix:/x x\"\n" + quiet, []string{"command: with --bind unix:"}},
		{"gunicorn, bound besides", "command = \"gunicorn -b 127.0.0.1:80 x\"\n" + quiet, []string{"--bind is ignored"}},
		{"gunicorn, bound itself", "command = \"gunicorn -b 127.0.0.1:80 x\"\nready = { http = \"http://127.0.0.1:80/\" }\nstop = [[\"TERM\", \"35s\"]]\n", []string{"binds its own address"}},
		{"gunicorn, three options", "command = \"gunicorn --daemon --pid /x --reuse-port x\"\n" + quiet, []string{"--daemon", "--pid", "--reuse-port"}},
		{"gunicorn, short options", "command = \"gunicorn -D -p /x x\"\n" + quiet, []string{"--daemon", "--pid"}},
		{"gunicorn, options that look alike", "command = \"gunicorn --pythonpath /x --bindings --name -x --proxy-protocol x\"\n" + quiet, nil},
		{"gunicorn, environment", "command = \"gunicorn x\"\nenv = { GUNICORN_CMD_ARGS = \"--daemon --graceful-timeout 300\" }\n" + quiet, []string{"env.GUNICORN_CMD_ARGS: with --daemon", "requests finish for 5m0s"}},
		{"gunicorn, stop too early", "command = \"gunicorn x\"\nsockets = [\"web\"]\nready = { http = \"/\" }\n", []string{`3: process.web.stop: gunicorn lets requests finish for 30s`}},
		{"gunicorn, stop in time", "command = \"gunicorn --graceful-timeout=25 x\"\nsockets = [\"web\"]\nready = { http = \"/\" }\n", nil},
		{"gunicorn, silent", "command = \"gunicorn x\"\nstatsd = true\n" + quiet, []string{"5: process.web.statsd: gunicorn says nothing without --statsd-host {statsd}"}},
		{"gunicorn, that tells", "command = \"gunicorn --statsd-host {statsd} x\"\nstatsd = true\n" + quiet, nil},
		{"gunicorn, that may tell", "command = \"gunicorn -c conf.py --graceful-timeout 9 x\"\nstatsd = true\n" + quiet, nil},
		{"gunicorn, notify", "command = \"gunicorn x\"\nready = { notify = true }\nstop = [[\"TERM\", \"35s\"]]\n", []string{"ready: gunicorn is there before the application"}},
		{"gunicorn, uptime", "command = \"gunicorn x\"\nready = { uptime = \"5s\" }\nstop = [[\"TERM\", \"35s\"]]\n", []string{"ready: gunicorn is there before the application"}},
		{"gunicorn, preloaded", "command = \"gunicorn --preload x\"\nready = { notify = true }\nstop = [[\"TERM\", \"35s\"]]\n", nil},

		{"uwsgi, well", uwsgi("'--http-socket', 'fd://{socket.web}'"), nil},
		{"uwsgi, bare", "command = \"uwsgi_python3 --wsgi-file x.py\"\n", []string{"TERM makes uWSGI reload", "without master", "without need-app"}},
		{"uwsgi, elsewhere", "command = \"uwsgi --yaml x.yaml --shutdown-sockets\"\n", []string{"shutdown-sockets ends"}},
		{"uwsgi, by the environment", "command = \"uwsgi\"\nenv = { UWSGI_MASTER = \"1\" }\n", nil},
		{"uwsgi, bound itself", uwsgi("'--socket=/run/x.sock'"), []string{"socket binds an address of its own, which a new worker cannot share with the old one; write a [socket.NAME], and here fd://{socket.web}"}},
		{"uwsgi, short", uwsgi("'-s', '/run/x.sock', '-d', '/x.log'"), []string{"socket binds", "daemonize"}},
		{"uwsgi, the ini", "command = \"uwsgi --ini good.ini\"\n", nil},
		{"uwsgi, a bad ini", "command = \"uwsgi bad.ini\"\n", []string{"TERM makes", "http binds", "shutdown-sockets", "without need-app"}},
		{"uwsgi, a section", "command = \"uwsgi --ini bad.ini:other\"\n", []string{"TERM makes", "without master", "without need-app"}},
		{"uwsgi, no such ini", "command = \"uwsgi none.ini\"\n", nil},

		{"celery, well", celery("-n {process}{slot}-{generation}@%h"), nil},
		{"celery, well, from 0", celery("-n {process}{slot0:02}-{generation:05}@%h"), nil},
		{"celery, no name", celery(""), []string{"same node name, and each gets"}},
		{"celery, a name of two", celery("--hostname=w{generation}@%h") + "count = 2\n", []string{"all 2 workers"}},
		{"celery, one after the other", celery("--pidfile=/x") + "strategy = \"replace\"\n", nil},
		{"celery, two at a time all the same", celery("--pidfile=/x") + "count = 2\nstrategy = \"replace\"\n", []string{"all 2 workers", "with --pidfile"}},
		{"celery, slots one after the other", celery("-n {slot}@%h") + "count = 2\n[rollout]\nstrategy = \"replace\"\n", nil},
		{"gunicorn, one after the other", "command = \"gunicorn --pid /x -b :80 --dirty-workers=2 x\"\nready = { http = \"http://127.0.0.1:80/\" }\nstop = [[\"TERM\", \"35s\"]]\nstrategy = \"replace\"\n", nil},
		{"uwsgi, one after the other", uwsgi("'--socket=/run/x.sock'") + "strategy = \"replace\"\n", nil},
		{"celery, the rest", celery("-n {generation} -B --pidfile=/x --detach"), []string{"-B runs", "both send each task", "--detach", "--pidfile"}},
		{"celery, stopped early", "command = \"celery worker -n {generation}\"\n", []string{"longer than 30s are killed"}},
		{"celery, remapped", celery("-n {generation}") + "env = { REMAP_SIGTERM = \"SIGQUIT\" }\n", []string{"env.REMAP_SIGTERM: "}},
		{"celery beat", "command = \"celery -A x beat --pidfile=\"\n", []string{`4: process.web.command: the old and the new scheduler run side by side while workers are replaced, and both send each task; write strategy = "replace" for this process`}},
		{"celery beat, one after the other", "command = \"celery -A x beat --pidfile=\"\nstrategy = \"replace\"\n", nil},
		{"celery beats, replaced", "command = \"celery -A x beat\"\ncount = 2\n[rollout]\nstrategy = \"replace\"\n", []string{"5: process.web.count: each of 2"}},
		{"celery, something else", "command = \"celery -A x flower\"\n", nil},

		{"celery, no line", celery("-n {generation}") + "ready = { log = \"ready\\\\.$\" }\n", []string{"6: process.web.ready.log: celery says that it is ready at the level INFO"}},
		{"celery, still no line", celery("-l warning -n {generation}") + "ready = { log = \"ready\" }\n", []string{"process.web.ready.log: celery says"}},
		{"celery, the line elsewhere", celery("-n {generation} --loglevel=INFO -f x.log") + "ready = { log = \"ready\" }\n", []string{"with --logfile celery says"}},
		{"celery, the line", celery("-n {generation} -l info") + "ready = { log = \"ready\" }\n", nil},
		{"celery, another line", celery("-n {generation}") + "ready = { log = \"celery@\" }\n", nil},

		{"celery, a socket", celery("-n {generation}") + "sockets = [\"web\"]\n", []string{"celery serves on no socket"}},
		{"nginx, a socket", "command = ['nginx', '-g', 'daemon off;']\nsockets = [\"web\"]\nready = { http = \"/\" }\n" + quit, []string{"write env = { NGINX = \"{socket.web};\" }", "nginx does not serve on the worker's own socket"}},
		{"nginx, with server", "command = ['nginx', '-c', 'DIR/apps/nginx.conf']\nserver = \"nginx\"\nsockets = [\"web\"]\n", nil},
		{"nginx, with server alone", "command = ['nginx', '-c', 'DIR/apps/nginx.conf']\nserver = \"nginx\"\n", []string{"nginx leaves supd"}},
		{"nginx, its socket", "command = ['nginx', '-c', 'DIR/apps/nginx.conf']\nsockets = [\"web\"]\nready = { http = \"/\", socket = \"web\" }\nenv = { NGINX = \"{socket.web};\" }\n" + quit, nil},
		{"hypercorn, a socket", "command = \"hypercorn --graceful-timeout 9 x\"\nsockets = [\"web\"]\n", []string{"write --bind fd://{socket.web}"}},
		{"hypercorn, its socket", "command = \"hypercorn --graceful-timeout 9 -b fd://{socket.web} x\"\nsockets = [\"web\"]\n", nil},
		{"hypercorn, cut short", "command = \"hypercorn --graceful-timeout 40 x\"\n", []string{"hypercorn lets requests finish for 40s (--graceful-timeout), and would be killed after 30s: write stop = [[\"TERM\", \"45s\"]], or a shorter --graceful-timeout, or server = \"hypercorn\", which does that"}},
		{"dramatiq, cut short", "command = \"dramatiq x\"\n", []string{"dramatiq lets tasks finish for 10m0s (--worker-shutdown-timeout)"}},
		{"huey, by TERM", "command = \"huey_consumer.py x\"\n", []string{"TERM gives up the tasks that run, and INT ends them; write stop = [[\"INT\", \"10m\"], [\"TERM\", \"10s\"]], or server = \"huey\""}},
		{"gunicorn, by INT, and told", "command = \"gunicorn --preload x\"\nserver = \"gunicorn\"\nstop = [[\"INT\", \"2m\"]]\n", []string{"QUIT and INT end gunicorn at once, with the requests that it is at; write stop = [[\"TERM\", \"35s\"]]"}},
		{"daphne, known", "command = \"daphne --fd {socket.web} x\"\nserver = \"daphne\"\nsockets = [\"web\"]\n", nil},
		{"rq, named", "command = \"rq worker --name only-one\"\n" + patient, []string{"4: process.web.command: rq refuses a name"}},
		{"rq, two named", "command = \"rq worker -n w-{generation}\"\ncount = 2\n" + patient, []string{"rq refuses a name"}},
		{"rq, named well", "command = \"rq worker -n w-{slot}-{generation}\"\ncount = 2\n" + patient, nil},
		{"rq, well", "command = \"rq worker\"\nstop = [[\"TERM\", \"5m\"], [\"QUIT\", \"1s\"]]\n", nil},
		{"rq, cut short", "command = \"rq worker\"\n", []string{"process.web.stop: jobs that run longer than 30s"}},
		{"rq, killed", "command = \"rq worker\"\nstop = [[\"TERM\", \"5m\"], [\"TERM\", \"1s\"]]\n", []string{"5: process.web.stop: rq takes a second TERM"}},

		{"uvicorn, well", uvicorn + "x\"\nsockets = [\"web\"]\nready = { http = \"/\", socket = \"web\" }\n", nil},
		{"uvicorn, reload", uvicorn + "--reload --uds /x x\"\nsockets = [\"web\"]\n", []string{"--reload", "--uds"}},
		{"uvicorn, bare", "command = \"/srv/x/bin/uvicorn x\"\nsockets = [\"web\"]\nready = { http = \"/\" }\n", []string{"write --fd {socket.web}", "without --timeout-graceful-shutdown", "add socket = \"web\""}},
		{"uvicorn, health", uvicorn + "x\"\nsockets = [\"web\"]\nhealth = { tcp = true }\n", []string{"6: process.web.health: uvicorn does not serve on the worker's own socket"}},

		{"nginx", "command = \"/usr/sbin/nginx -c DIR/apps/nginx.conf\"\n" + quit, []string{"4: process.web.command: without \"daemon off;\" nginx leaves supd"}},
		{"nginx, told", "command = ['nginx', '-c', 'DIR/apps/nginx.conf', '-g', 'pid x; daemon off;']\n" + quit, nil},
		{"nginx, by its file", "command = \"nginx -c DIR/apps/stays.conf\"\n" + quit, nil},
		{"nginx, a file that is not there", "command = \"nginx -c /none.conf\"\n" + quit, nil},
		{"redis", "command = \"redis-server leaves.conf\"\n", []string{"with daemonize yes redis-server leaves"}},
		{"redis, by an option", "command = \"redis-server --daemonize yes\"\n", []string{"with daemonize yes"}},
		{"redis, well", "command = \"redis-server leaves.conf --daemonize no\"\n", nil},
		{"gunicorn, by its file", "command = \"gunicorn -c daemon.py x\"\n" + quiet, []string{"with daemon = True in daemon.py gunicorn leaves"}},
		{"apache", "command = \"apache2 -k start\"\n", []string{"without -DFOREGROUND apache2 leaves"}},
		{"apache, well", "command = \"apache2 -D FOREGROUND\"\n", nil},
		{"haproxy", "command = \"haproxy -D -f x\"\n", []string{"with -D haproxy leaves"}},
		{"php-fpm", "command = \"php-fpm8.4 -y fpm.conf\"\n" + quit, []string{"without process_control_timeout", "without --nodaemonize php-fpm8.4 leaves"}},
		{"php-fpm, well", "command = \"php-fpm8.4 -F -y patient.conf\"\n" + quit, nil},
		{"php-fpm, in haste", "command = \"php-fpm8.4 -F -y fpm.conf\"\n" + quit, []string{"without process_control_timeout in fpm.conf"}},
		{"php-fpm, patient", "command = \"php-fpm8.4 -y patient.conf\"\n" + quit, nil},
		{"php-fpm, a file that is not there", "command = \"php-fpm8.4 -y none.conf\"\n" + quit, nil},
		{"php-fpm, told to be in haste", "command = \"php-fpm8.4 -F\"\n", []string{"TERM and INT end php-fpm at once"}},
		{"setsid", "command = \"setsid serve --wait\"\n", []string{"setsid leaves supd"}},

		{"sudo", "command = \"sudo -u x true\"\n", []string{"set user instead"}},
		{"a shell", "command = [\"sh\", \"-c\", \"cd /x && serve\"]\n", []string{"exec"}},
		{"a shell that goes", "command = [\"bash\", \"-c\", \"cd /x && exec serve\"]\n", nil},
		{"root in all but name, by names", "command = \"serve\"\ncapabilities = [\"setuid\", \"dac_override\"]\n", []string{"a fault in the program is root's"}},
		{"root with a port", "command = \"serve\"\ncapabilities = [\"net_bind_service\", \"setuid\"]\n", nil},
		{"a file of its own", "command = \"serve\"\ncount = 2\nready = { file = \"{env.XDG_RUNTIME_DIR}/a\" }\nscratch = [\"OWN\"]\nhealth = { file = \"{env.OWN}/a\" }\n", nil},
		{"a file of all", "command = \"serve\"\ncount = 2\nready = { file = \"/run/a\" }\nhealth = { file = \"/run/{slot0}\" }\n", []string{"6: process.web.ready.file: all 2 workers", "7: process.web.health.file: while workers are replaced"}},
		{"a file of each launch", "command = \"serve\"\ncount = 2\nready = { file = \"/run/{slot}-{generation}\" }\n", nil},
		{"a file of one at a time", "command = \"serve\"\nstrategy = \"replace\"\nready = { file = \"/run/a\" }\n", nil},
		{"a shell that is not alone", "command = [\"sh\", \"-c\", \"cd /x && serve\"]\nstop = [[\"TERM\", \"9s\", \"group\"]]\n", nil},
		{"celery's children", "command = \"celery -A x worker -n {generation}\"\nstop = [[\"TERM\", \"2m\", \"group\"]]\n", []string{"in the middle"}},
		{"rq's child", "command = \"rq worker\"\nstop = [[\"TERM\", \"2m\", \"group\"]]\n", []string{"in the middle"}},
		{"a shell that listens", "command = [\"sh\", \"-c\", \"trap 'kill $!' TERM; serve & wait\"]\n", nil},
		{"no shell", "command = \"serve $HOME\"\n", []string{`gets "$HOME" as it is`}},
		{"no shell either", "command = \"serve | tee log\"\n", []string{`gets "|" as it is`}},
		{"a price", "command = \"serve '$5' 'a;b' '^x$'\"\n", nil},

		{"a variable inside", "command = \"serve --bind 0.0.0.0:$PORT\"\n", []string{`gets "$PORT" as it is`}},
		{"a variable in braces", "command = \"serve --auth=${{USER:-x}}:hunter2\"\n", []string{`gets "${USER:" as it is`}},
		{"a command in a command", "command = \"serve -n w@$(hostname)\"\n", []string{`gets "$(hostname)" as it is`}},
		{"a dollar of its own", "command = ['awk', '{{print $NF}}']\n", nil},
		{"uWSGI's own dollar", "command = \"uwsgi --yaml x --procname $(APP)\"\n", nil},
		{"a variable for a shell", "command = [\"sh\", \"-c\", \"exec serve $PORT\"]\n", nil},
		{"a variable before a shell", "command = [\"env\", \"A=$B\", \"sh\", \"-c\", \"exec serve $PORT\"]\n", []string{`gets "$B" as it is`}},
		{"an assignment", "command = \"DEBUG=hunter2 serve\"\n", []string{`no shell runs: DEBUG=… is no program; write env = { DEBUG = "…" }`}},
		{"activate, without a shell", "command = \". venv/bin/activate && exec celery beat\"\n", []string{`"." is no program; write venv = "venv" and the command alone`}},
		{"cd, without a shell", "command = \"cd /x && serve\"\n", []string{`"cd" is no program; write directory`}},
		{"activate", "command = [\"bash\", \"-c\", \"source /srv/v/bin/activate && exec gunicorn --daemon x\"]\n" + quiet, []string{"bash is here for a virtual environment: write venv = \"/srv/v\"", "with --daemon"}},
		{"a script that stays", "command = \"./gunicorn_start\"\n", []string{"gunicorn_start is a script that stays between supd and the program it starts"}},
		{"a script that goes", "command = \"./gunicorn.bash -D\"\n", nil},

		{"env", "command = \"env -i -u A B=c D= gunicorn --pid /x x\"\n" + quiet, []string{"with --pid"}},
		{"env, in one word", "command = [\"env\", \"-S\", \"A=b gunicorn -D\", \"x\"]\n" + quiet, []string{"with --daemon"}},
		{"env, of gunicorn", "command = \"env 'GUNICORN_CMD_ARGS=--graceful-timeout 300' gunicorn x\"\n" + quiet, []string{"requests finish for 5m0s"}},
		{"env, of celery", "command = \"env REMAP_SIGTERM=SIGQUIT celery -A x worker -n {generation}\"\nstop = [[\"TERM\", \"2m\"]]\n", []string{"4: process.web.command: REMAP_SIGTERM makes"}},
		{"newrelic", "command = \"newrelic-admin run-program gunicorn -D x\"\n" + quiet, []string{"with --daemon"}},
		{"newrelic, python", "command = \"newrelic-admin run-python -m gunicorn -D x\"\n" + quiet, []string{"with --daemon"}},
		{"newrelic, another command", "command = \"newrelic-admin validate-config gunicorn -D\"\n", nil},
		{"ddtrace", "command = \"ddtrace-run --profiling celery -A x beat\"\n", []string{"the old and the new scheduler"}},
		{"opentelemetry", "command = \"opentelemetry-instrument --traces_exporter console --service_name=x python3 -X dev -W ignore -m gunicorn -D x\"\n" + quiet, []string{"with --daemon"}},
		{"nice", "command = \"nice -n 5 ionice -c2 -n 7 nohup rq worker -n x\"\n" + patient, []string{"rq refuses a name"}},
		{"timeout", "command = \"timeout -k 5 1d stdbuf -oL /srv/x/bin/uvicorn --reload --fd 3 --timeout-graceful-shutdown 9 x\"\n", []string{"--reload"}},
		{"taskset", "command = \"taskset -c 0,1 chrt -f 10 nginx -c DIR/apps/nginx.conf\"\n" + quit, []string{"nginx leaves supd"}},
		{"tools of Python", "command = \"poetry run uv run --with x python -m coverage run -m gunicorn -D x\"\n" + quiet, []string{"with --daemon"}},
		{"secrets", "command = \"doppler run --token x -- gunicorn -D x\"\n" + quiet, []string{"with --daemon"}},
		{"tini, and what it starts", "command = \"tini -g -- gunicorn -D x\"\n" + quiet, []string{"with --daemon"}},
		{"manage.py", "command = \"python manage.py celery worker -B -n {generation}\"\nstop = [[\"TERM\", \"2m\"]]\n", []string{"-B runs", "the old and the new scheduler"}},
		{"manage.py, of another kind", "command = \"./manage.py --settings x rqworker default --name a\"\n" + patient, []string{"rq refuses a name"}},
		{"manage.py, celerybeat", "command = \"django-admin celerybeat\"\n", []string{"the old and the new scheduler"}},
		{"sudo, and what it starts", "command = \"sudo -u x A=b gunicorn -D x\"\n" + quiet, []string{"sudo stands between", "with --daemon"}},
		{"gosu", "command = \"gosu x rq worker -n a\"\n" + patient, []string{"gosu changes the user", "rq refuses a name"}},
		{"su, and what it starts", "command = ['su', '-', 'x', '-c', 'exec gunicorn -D x']\n" + quiet, []string{"su stands between", "with --daemon"}},
		{"a shell's arguments", "command = ['sh', '-ec', 'umask 2; exec \"$@\"', 'sh', 'gunicorn', '-D', 'x']\n" + quiet, []string{"with --daemon"}},
		{"a shell's conditions", "command = ['sh', '-c', '''if [ -e x ]; then # exec nothing; it's\n exec nice gunicorn -D 'a;b' 2>&1; fi''']\n" + quiet, []string{"with --daemon"}},
		{"wrappers without end", "command = \"env env env env env env env env env env env env env env env env env env env gunicorn\"\n", nil},
		{"a wrapper alone", "command = \"nice -n\"\n", nil},

		{"gunicorn, dirty", "command = \"gunicorn --dirty-app x:A --dirty-workers 2 x\"\n" + quiet, []string{"4: process.web.command: each gunicorn with dirty workers"}},
		{"gunicorn, dirty by its file", "command = \"gunicorn -c dirty.py -n {app}-{generation} x\"\ncount = 2\n" + quiet, []string{"each gunicorn with dirty workers"}},
		{"gunicorn, dirty and named", "command = \"gunicorn --dirty-workers=2 --name {slot}-{generation} x\"\ncount = 2\n" + quiet, nil},
		{"gunicorn, dirty elsewhere", "command = \"gunicorn --dirty-workers=2 x\"\nenv = { TMPDIR = \"/x/{slot}-{generation}\" }\n" + quiet, nil},
		{"gunicorn, dirty no more", "command = \"gunicorn --dirty-workers 0 x\"\n" + quiet, nil},
		{"celery, many", "command = \"celery multi start 3 -A x\"\n", []string{"celery multi starts workers in the background"}},

		{"setpriv", "command = \"setpriv --nnp --pdeathsig TERM serve\"\n", []string{"4: process.web.command: setpriv --pdeathsig asks for a signal when its parent ends"}},
		{"setpriv behind others", "command = \"nice -n 5 /usr/bin/setpriv --pdeathsig=KILL -- serve\"\n", []string{"setpriv --pdeathsig"}},
		{"setpriv that clears", "command = \"setpriv --pdeathsig clear serve\"\n", nil},
		{"setpriv before another's option", "command = \"setpriv --nnp -- serve --pdeathsig TERM\"\n", nil},
		{"setpriv in a script", "command = [\"sh\", \"-c\", \"cd /x && exec setpriv --pdeathsig TERM serve\"]\n", []string{"setpriv --pdeathsig"}},
		{"bwrap", "command = \"bwrap --ro-bind / / --die-with-parent serve\"\n", []string{"bwrap --die-with-parent"}},
		{"tini", "command = \"tini -p TERM -- serve\"\n", []string{"tini -p"}},
		{"tini, in one word", "command = \"/sbin/tini -vgpKILL serve\"\n", []string{"tini -p"}},
		{"tini of another p", "command = \"tini -e 143 -g serve -p 80\"\n", nil},

		{"a secret in the open", "command = \"true\"\nenv = { DB_PASSWORD = \"hunter2\", SECRET_KEY = \"hunter2\", KEYBOARD = \"de\" }\n", []string{"env.DB_PASSWORD: seems", "env.SECRET_KEY: seems"}},
		{"a file in the open", "command = \"true\"\nenv_file = \"open.env\"\n", []string{"open.env is readable by every user"}},
		{"a closed file", "command = \"true\"\nenv_file = \"closed.env\"\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := "user = \"nobody\"\n[socket]\n[process.web]\n" + test.process
			if strings.Contains(test.process, "sockets =") {
				text = strings.Replace(text, "[socket]", "socket.web = { listen = \"unix:/run/web.sock\" }", 1)
			}
			dir := lay(t, map[string]string{
				"apps/nginx.conf": "# daemon off;\nworker_processes 1; # daemon off;\n", "apps/stays.conf": "pid x; daemon  off ;\n",
				"apps/leaves.conf": "# daemonize no\ndaemonize no\ndaemonize yes\n", "apps/dirty.py": "dirty_workers = 3\n", "apps/gunicorn_start": "#!/bin/bash\nNAME=x # exec\ngunicorn -D \\\n --pid x\n", "apps/gunicorn.bash": "#!/usr/bin/env -S bash\ncd x && exec gunicorn\n",
				"apps/daemon.py": "daemon = False\ndaemon=True\n", "apps/fpm.conf": ";daemonize = no\nprocess_control_timeout = 0\n", "apps/patient.conf": "daemonize = no\nprocess_control_timeout = 10s\n",
				"supd.toml":     "[defaults.process]\ndirectory = \"apps\"\n",
				"apps/app.toml": text, "apps/open.env": "A=1\n", "apps/closed.env": "A=1\n",
				"apps/good.ini": "[uwsgi]\nmaster = true\nneed-app = 1\n; no\nhook-master-start = unix_signal:15 gracefully_kill_them_all\nsocket = fd://3\n",
				"apps/bad.ini":  "# comment\n[uwsgi]\nmaster=true\nneed-app = false\nshutdown-sockets = true\nhttp = :8000\ndie-on-term = true\n[other]\nprocesses = 2\n",
			})
			put(t, dir, "apps/app.toml", strings.ReplaceAll(text, "DIR/", dir+"/"))
			if err := os.Chmod(filepath.Join(dir, "apps/closed.env"), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := load(dir)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, w := range c.Traps() {
				got.WriteString(w.String() + "\n")
			}
			checkWords(t, got.String(), test.want)
		})
	}
}

// checkWords wants one line for each of want, with it inside.
func checkWords(t *testing.T, got string, want []string) {
	t.Helper()
	if strings.Contains(got, "hunter2") {
		t.Error("a value of env is shown")
	}
	if strings.Count(got, "\n") != len(want) {
		t.Fatalf("want %d lines with %q, got:\n%s", len(want), want, got)
	}
	for i, line := range lines(got) {
		if i < len(want) && !strings.Contains(line, want[i]) {
			t.Errorf("line %d: want %q, got:\n%s", i, want[i], got)
		}
	}
}

func TestContainer(t *testing.T) {
	c, _ := loadApp(t, "user = \"root\"\nallow_root = true\n[process.web]\ncommand = \"true\"\ncapabilities = [\"@container\", \"sys_chroot\"]\n")
	checkWords(t, fmt.Sprintln(c.Traps()), []string{"apps/app.toml:5: process.web.capabilities: with setuid and dac_override"})
}

func TestFewDescriptors(t *testing.T) {
	const sockets = "[socket.a]\nlisten = \"unix:/run/a.sock\"\n[socket.b]\nlisten = \"unix:/run/b.sock\"\n"
	for limit, want := range map[string][]string{
		`"unlimited"`: nil, `"6:1024"`: nil,
		`"5:1024"`: {"apps/app.toml:5: process.web.limits.nofile: the process begins with 5 open files, its sockets among them, and can open none beside them; raise it"},
	} {
		c, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nsockets = [\"a\", \"b\"]\nlimits.nofile = "+limit+"\n"+sockets)
		got := ""
		for _, w := range c.Traps() {
			if w.Key == "process.web.limits.nofile" {
				got += w.String() + "\n"
			}
		}
		checkWords(t, got, want)
	}
}

func TestUnusedSocket(t *testing.T) {
	c, _ := loadApp(t, "user = \"nobody\"\n[socket.web]\nlisten = \"unix:/run/web.sock\"\n[process.web]\ncommand = \"true\"\n")
	want := []Warning{{"apps/app.toml", 2, "socket.web", "no process has it in its sockets: connections to it would wait for ever"}}
	if diff := cmp.Diff(want, c.Traps()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
