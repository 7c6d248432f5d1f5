# check.pl EXTENSION DIR - what a user of DBD::SQLite does.
use strict;
use warnings;
use utf8;
use DBI;
use DBD::SQLite;

my ($extension, $directory) = @ARGV;
chdir $directory or die "$directory: $!";
my $failures = 0;

sub same {
    my ($what, $got, $expected) = @_;
    my ($g, $e) = map { join(';', map { join('|', map { defined $_ ? $_ : 'NULL' } @$_) } @$_) } $got, $expected;
    return if $g eq $e;
    print "$what: expected $e, got $g\n";
    $failures++;
}

sub connect_to {
    my $db = DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', {RaiseError => 1, PrintError => 0, sqlite_unicode => 1});
    $db->sqlite_enable_load_extension(1);
    $db->do('SELECT load_extension(?)', undef, $extension);
    return $db;
}

sub fails {
    my ($what, $db, $code, $text, $action) = @_;
    return if !eval { $action->(); 1 } && ($db->err // 0) % 256 == $code && index($db->errstr, $text) >= 0;
    print "$what: ", $db->errstr // 'no error', "\n";
    $failures++;
}

my $db = connect_to('app.db');
binmode STDOUT, ':utf8';
$db->do('PRAGMA journal_mode = WAL');
$db->do('CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, name TEXT NOT NULL, v)');
my $insert = $db->prepare('INSERT INTO t VALUES(?, ?, ?)');
$insert->execute(1, 'one', 7);
$insert->execute(2, "zwei \x{e4}", 1.5);
$insert->bind_param(1, 3);
$insert->bind_param(2, '');
$insert->bind_param(3, "\x00\xff", DBI::SQL_BLOB);
$insert->execute;
$db->do("INSERT INTO t VALUES(4, 'n', NULL)");
same('types', $db->selectall_arrayref('SELECT id, typeof(name), quote(v) FROM t WHERE id > 2 ORDER BY id'),
    [[3, 'text', "X'00FF'"], [4, 'text', 'NULL']]);
same('text', $db->selectall_arrayref('SELECT name FROM t WHERE id = 2'), [["zwei \x{e4}"]]);
$db->do("INSERT INTO t(name) VALUES('next')");
same('rowid', [[$db->sqlite_last_insert_rowid]], [[5]]);
same('changes', [[$db->do('UPDATE t SET v = 0 WHERE id > 3')]], [[2]]);

fails('duplicate', $db, 19, 'UNIQUE constraint failed: t.id', sub { $db->do("INSERT INTO t VALUES(1, 'x', 0)") });
fails('NOT NULL', $db, 19, 'NOT NULL constraint failed: t.name', sub { $db->do('INSERT INTO t VALUES(9, NULL, 0)') });
fails('no such option', $db, 1, 'speed', sub { $db->do('CREATE VIRTUAL TABLE u USING lsmkv(a, speed = 9)') });

$db->do('CREATE TABLE o(id INTEGER PRIMARY KEY, name TEXT)');
$db->do('INSERT INTO o SELECT id, upper(name) FROM t WHERE id = 1');
same('join', $db->selectall_arrayref('SELECT t.name, o.name FROM o JOIN t USING (id)'), [['one', 'ONE']]);

$db->begin_work;
$db->do('DELETE FROM t');
$db->rollback;
same('rollback', $db->selectall_arrayref('SELECT count(*) FROM t'), [[5]]);

my @both = map { connect_to($_) } 'first.db', 'second.db';
$_->do("CREATE VIRTUAL TABLE temp.c USING lsmkv('store', k PRIMARY KEY, v)") for @both;
$both[0]->do("INSERT INTO c VALUES('n', 0)");
for my $each (@both) {
    $each->begin_work;
    $each->selectall_arrayref("SELECT v FROM c WHERE k = 'n'");
}
my $add = sub { $_[0]->do("UPDATE c SET v = v + 1 WHERE k = 'n'"); $_[0]->commit };
$add->($both[0]);
fails('conflict', $both[1], 5, '', sub { $add->($both[1]) });
$both[1]->rollback unless $both[1]{AutoCommit};
same('after the conflict', $both[1]->selectall_arrayref('SELECT v FROM c'), [[1]]);

$_->disconnect for @both, $db;
$db = connect_to('app.db');
same('reopened', $db->selectall_arrayref('SELECT id, v FROM t WHERE id IN (2, 4) ORDER BY id'), [[2, 1.5], [4, 0]]);
$db->disconnect;
printf "Perl %vd, SQLite %s: %d failures\n", $^V, $DBD::SQLite::sqlite_version, $failures;
exit($failures > 0);
