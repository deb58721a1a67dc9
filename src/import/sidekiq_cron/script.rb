# Asks fugit when lines of sidekiq-cron come due next.
#
# downbeat runs this in a Ruby that has fugit. It reads a request from standard input and writes one JSON document to
# standard output. It connects to nothing.
require 'json'
require 'fugit'

request = JSON.parse($stdin.read)
# The whole answer has a deadline, and rare instants take fugit long.
budget = 120.0 / [request['schedules'].size, 1].max
answers = request['schedules'].map do |asked|
  cron = Fugit.do_parse_cron(asked['cron'])
  instants = []
  limit = nil
  stop = Time.now + budget
  # sidekiq-cron asks in UTC.
  at = EtOrbi.make_time(Time.at(request['from'] / 1000).utc)
  while instants.size < request['count']
    at = cron.next_time(at)
    ms = at.to_i * 1000
    instants << ms if ms > request['from']
    limit = ms if Time.now > stop
    break if limit
  end
  { instants: instants, until: limit }
rescue StandardError => e
  # fugit gives up if it finds nothing for long.
  if e.message.start_with?('too many loops')
    { instants: instants, until: instants.last || request['from'] }
  else
    { error: "#{e.class}: #{e.message}"[0, 300] }
  end
end
$stdout.write(JSON.generate(answers))
