# SPDX-License-Identifier: MIT
# What a Raku program does with MoarVM's event loop, which runs in a thread of its own. Each part is
# printed in a fixed order. The folder to work in is the first argument.

my $folder = @*ARGS[0];

# Timers.
my @order;
my $lock = Lock.new;
# So far apart that it does not matter how long a thread takes to begin.
my @promises = (3, 1, 2).map: -> $n {
    Promise.in($n * .3).then({ $lock.protect({ @order.push($n) }) })
}
await @promises;
say "timers: @order[]";
say "interval: { Supply.interval(.01).head(3).list }";

# A process, fed and read.
my $process = Proc::Async.new(:w, 'sh', '-c', 'read line; echo "got $line"; echo noise >&2; exit 4');
my ($out, $err) = '', '';
$process.stdout.tap({ $out ~= $_ });
$process.stderr.tap({ $err ~= $_ });
my $ended = $process.start;
await $process.say('a line');
$process.close-stdin;
my $result = await $ended;
say "process: { $out.trim }, { $err.trim }, exit { $result.exitcode }";

# A TCP server and clients of it.
my $server = IO::Socket::Async.listen('127.0.0.1', 0);
my $tap = $server.tap(-> $connection {
    my $all = '';
    $connection.Supply.tap(-> $text {
        $all ~= $text;
        if $all.ends-with("\n") {
            $connection.print($all.uc).then({ $connection.close });
        }
    });
});
my $port = await $tap.socket-port;
my @answers = await (^3).map: -> $n {
    start {
        my $client = await IO::Socket::Async.connect('127.0.0.1', $port);
        await $client.print("client $n\n");
        my $answer = '';
        react { whenever $client { $answer ~= $_ } }
        $client.close;
        $answer.trim
    }
}
say "tcp: @answers.join(', ')";
$tap.close;

# Watching a file.
my $file = $folder.IO.add('watched');
$file.spurt('one');
my $change = $folder.IO.watch.head(1).Promise;
my $changed;
for ^200 {
    $file.spurt("change $_");
    $changed = await Promise.anyof($change, Promise.in(.05));
    last if $change.status ~~ Kept;
}
say "watch: { $change.result.path.IO.basename }";

# A signal, sent to itself.
my $signal = signal(SIGUSR1).head(1).Promise;
run('kill', '-USR1', ~$*PID);
await Promise.anyof($signal, Promise.in(10));
say "signal: { $signal.status }";
