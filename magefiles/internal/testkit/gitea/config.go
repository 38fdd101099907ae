package gitea

import "fmt"

// settings is the server's app.ini. Further lines come last: of two of one name
// in a section the last counts.
func settings(dir, url string, port int, further string) string {
	return fmt.Sprintf(`RUN_MODE = prod

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[3]d
ROOT_URL = %[2]s/
STATIC_ROOT_PATH = %[1]s/static
; no avatars from elsewhere
OFFLINE_MODE = true
DISABLE_SSH = true

[database]
DB_TYPE = sqlite3
SQLITE_JOURNAL_MODE = WAL
LOG_SQL = false

[security]
INSTALL_LOCK = true
; a quick one: nothing here is worth breaking in
PASSWORD_HASH_ALGO = pbkdf2$100$32

[service]
DISABLE_REGISTRATION = true

[mailer]
ENABLED = false

[cron.update_checker]
ENABLED = false

[actions]
ENABLED = true
; never github.com
DEFAULT_ACTIONS_URL = self

[packages]
ENABLED = true

[indexer]
ISSUE_INDEXER_TYPE = db

[queue]
TYPE = channel

[session]
PROVIDER = memory

[log]
MODE = console
LEVEL = Info

%[4]s`, dir, url, port, further)
}
