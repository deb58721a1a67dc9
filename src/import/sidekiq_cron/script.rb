# Asks fugit when lines of sidekiq-cron come due next.
#
# downbeat runs this in a Ruby that has fugit. It reads a request from standard input and writes one JSON document to
# standard output. It connects to nothing.
require 'json'
require 'fugit'

request = JSON.parse($stdin.read)
answers = request['schedules'].map do |asked|
  cron = Fugit.do_parse_cron(asked['cron'])
  instants = []
  # sidekiq-cron asks in UTC.
  at = EtOrbi.make_time(Time.at(request['from'] / 1000).utc)
  while instants.size < request['count']
    at = cron.next_time(at)
    ms = at.to_i * 1000
    instants << ms if ms > request['from']
  end
  { instants: instants }
rescue StandardError => e
  # fugit gives up when nothing comes for long.
  e.message.start_with?('too many loops') ? { instants: instants } : { error: "#{e.class}: #{e.message}"[0, 300] }
end
$stdout.write(JSON.generate(answers))
