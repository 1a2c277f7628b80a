package convert

import (
	"strings"
	"testing"
)

// TestSecretsInOneArgument: an argument with more secrets than one goes into env_file as a
// whole, as a shell's script may.
func TestSecretsInOneArgument(t *testing.T) {
	p := &process{}
	script := "export SECRET_KEY=abc14; exec /bin/app --api_key=def16"
	got := p.hide([]string{"bash", "-c", script}, marked)
	if text := strings.Join(got, " "); strings.Contains(text, "abc14") || strings.Contains(text, "def16") {
		t.Errorf("%q", got)
	}
	if len(p.secrets) != 1 || p.secrets[0].value != script {
		t.Errorf("%+v", p.secrets)
	}
}

// hiddenWord is in each secret of these tests, and may be in no file that others read.
const hiddenWord = "s3cret"

// TestSecrets: what gives a secret away, and how far it goes.
func TestSecrets(t *testing.T) {
	for _, command := range []string{
		`/bin/x --password 'S3c,ret,s3cret'`, `/bin/x --password 'pw {x} $y "z" s3cret \ end'`, `/bin/x --password=Ab,s3cret`, `/bin/x --password="Ab]s3cret"`,
		`/bin/x --url=postgres://u:p@s3cret@host/db`, `/bin/x '{"password": "s3cret", "user": "x"}'`, `/bin/x https://tok-s3cret@github.com/a/b`,
		`/bin/x --pass s3cret1`, `/bin/x --pwd=s3cret1`, `/bin/x --db.pass=s3cret1`, `java -Dx.pw=s3cret1 -jar x`, `/bin/x --auth u:s3cret1`, `/bin/x --encryption-key=s3cret1`,
		`redis-server --requirepass s3cret1`, `redis-server --masterauth s3cret1`, `mysqladmin -uroot -ps3cret1 status`, `sshpass -p s3cret1 ssh x`, `sshpass -ps3cret1 ssh x`,
		`curl -u user:s3cret1 http://h/`, `/bin/x --basic-auth=user:s3cret1`, `curl -H "Authorization: Bearer s3cret-1" x`, `curl -H "Cookie: sid=s3cret1" x`,
		`env DB_PASS=s3cret1 /bin/x`, `bash -c "DB_PASS=s3cret1 exec x"`, `/bin/x DATA_SOURCE_NAME=root:s3cret1@(db:3306)/`, `/bin/x "host=h pwd=s3cret1 user=x"`,
	} {
		got := converted(t, "shop.conf", "[program:web]\nuser=www\ncommand="+command+"\n", Options{})
		public, secrets, isHidden := strings.Cut(got, ".env\n")
		if strings.Contains(public, hiddenWord) || !isHidden || !strings.Contains(secrets, hiddenWord) {
			t.Errorf("%s:\n%s", command, got)
		}
	}
	for _, name := range strings.Fields("MYSQL_PWD DB_PASS PASS SMTP_PASS ENCRYPTION_KEY STRIPE_KEY HMAC_KEY COOKIE_KEY SIGNING_SALT JWT AUTH SLACK_WEBHOOK PGPASSWORD") {
		got := converted(t, "shop.conf", "[program:web]\nuser=www\ncommand=/bin/x\nenvironment="+name+"=\"u:s3cret1\"\n", Options{})
		if public, _, isHidden := strings.Cut(got, ".env\n"); strings.Contains(public, hiddenWord) || !isHidden {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// What is a secret in one place is one in all.
func TestSecretsAgain(t *testing.T) {
	got := converted(t, "shop.conf", "[program:web]\nuser=www\ncommand=/bin/x -p s3cret-1 --password s3cret-2\nenvironment=DB_PASSWORD=\"s3cret-1\",X=\"a s3cret-1\",Y=\"s3cret-2\",SECRET_1=\"other\"\n", Options{})
	public, secrets, _ := strings.Cut(got, ".env\n")
	if strings.Contains(public, hiddenWord) || strings.Count(secrets, "SECRET_1=") != 1 || !strings.Contains(secrets, `X="a s3cret-1"`) {
		t.Errorf("%s", got)
	}
	got = converted(t, "shop.conf", "[program:web]\nuser=www\ncommand=/bin/x ; was --password s3cret\nstopwaitsecs=3 ;s3cret\n", Options{})
	if strings.Contains(got, hiddenWord) {
		t.Errorf("a comment: %s", got)
	}
}

// What is none stays readable.
func TestNoSecrets(t *testing.T) {
	for _, command := range []string{
		"/bin/x --password-file /etc/pw --token-file=/etc/tok --max-tokens 100 --ssl-key /etc/ssl/key.pem --auth-type=basic --key-path=/x", "setpriv -u www:www /bin/x",
		"/bin/x http://host:80/a@b redis://127.0.0.1/0", "gunicorn --access-logformat %%(h)s shop:app",
	} {
		if got := converted(t, "shop.conf", "[program:web]\nuser=www\ncommand="+command+"\n", Options{}); strings.Contains(got, "SECRET_") {
			t.Errorf("%s:\n%s", command, got)
		}
	}
}
