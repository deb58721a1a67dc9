# Fills a Redis with jobs, as sidekiq-cron's own class writes them, and a schedule file with the same jobs:
# `ruby sidekiq_cron_store.rb SOCKET LINES FILE [2]`. With `2`, the jobs are laid out as `Job#to_hash` of version 2.3
# does, which Debian does not have.
require 'json'
require 'yaml'
require 'sidekiq'
require 'sidekiq-cron'

socket, lines, file, layout = ARGV
Sidekiq.configure_client { |config| config.redis = { path: socket } }
Sidekiq.logger.level = Logger::FATAL

class PlainJob
  include Sidekiq::Worker
  sidekiq_options queue: 'mail', retry: 3
end

class OddJob
  include Sidekiq::Worker
  sidekiq_options queue: 'low', retry: false, backtrace: 5, tags: ['é'], dead: false
end

SETTINGS = [
  { 'class' => 'PlainJob' }, { 'class' => 'OddJob' }, { 'class' => 'Unknown::Job', 'queue' => 'reports' },
  { 'class' => 'PlainJob', 'args' => [1, 'é☃ {{ user }}', nil, [2.5, { 'a' => [] }]] },
  { 'class' => 'PlainJob', 'args' => { 'ключ' => '🎉' } }, { 'class' => 'PlainJob', 'args' => 'text' },
  { 'class' => 'PlainJob', 'args' => '[1, "json"]' }, { 'class' => 'PlainJob', 'status' => 'disabled' },
  { 'class' => 'PlainJob', 'description' => "Each day\nat five" }, { 'class' => 'PlainJob', 'date_as_argument' => true },
  { 'class' => 'Report', 'active_job' => true, 'queue' => 'low', 'queue_name_prefix' => 'shop' },
  { 'class' => 'Report', 'active_job' => true, 'queue_name_prefix' => 'shop', 'queue_name_delimiter' => '.',
    'queue' => 'low', 'args' => [1] },
  { 'class' => 'PlainJob', 'symbolize_args' => true, 'args' => [{ 'a' => 1 }] }, { 'class' => 'PlainJob', 'queue' => 'é q' }
].freeze

jobs = {}
refused = []
add = lambda do |name, line|
  job = SETTINGS[jobs.size % SETTINGS.size].merge('cron' => line)
  jobs[name] = job
  refused << line unless Sidekiq::Cron::Job.create({ 'name' => name }.merge(job))
end
JSON.parse(File.read(lines))['fugit'].each_with_index { |line, index| add.call("line #{index}", line) }
["\e[31mred", 'é☃ name', 'a: b', '#x', '{{ name }}', 'x' * 200].each { |name| add.call(name, '0 5 * * 1') }
(jobs.size...197).each { |more| add.call("more #{more}", "#{more % 60} #{more % 24} * * #{more % 7}") }
File.write(file, jobs.to_yaml + <<~YAML)
  twice: {cron: '0 1 * * *', class: PlainJob}
  twice: {cron: '0 2 * * *', class: PlainJob, args: [yes, 012, 12:30], retry: no}
  regexp: {cron: '0 1 * * *', class: PlainJob, args: [!ruby/regexp /x/]}
YAML

if layout == '2'
  Sidekiq.redis do |conn|
    conn.smembers('cron_jobs').each do |key|
      job = conn.hgetall(key)
      name = key.delete_prefix('cron_job:')
      %w[active_job date_as_argument symbolize_args].each { |flag| job[flag] = job[flag] == 'true' ? '1' : '0' }
      job['retry'] = JSON.parse(job['message'])['retry'].to_s
      conn.mapped_hmset("cron_job:default:#{name}", job.merge('namespace' => 'default', 'source' => 'dynamic'))
      conn.sadd('cron_jobs:default', ["cron_job:default:#{name}"])
      conn.del(key, "#{key}:enqueued")
    end
    conn.del('cron_jobs')
  end
end

# What no scheduler writes.
Sidekiq.redis do |conn|
  conn.sadd('cron_jobs', ['cron_job:text', 'cron_job:gone', 'cron_job:empty'])
  conn.set('cron_job:text', 'x')
  conn.hset('cron_job:empty', 'name', 'empty')
  conn.sadd('cron_jobs', ['cron_job:huge'])
  conn.hset('cron_job:huge', 'name', 'huge', 'klass', 'PlainJob', 'cron', '0 1 * * *', 'args', "[#{10**30}]")
  # As versions 2 write them.
  conn.sadd('cron_jobs:night', ['cron_job:night:line 0'])
  conn.mapped_hmset('cron_job:night:line 0', {
    'name' => 'line 0', 'namespace' => 'night', 'klass' => 'PlainJob', 'cron' => '0 1 * * *', 'source' => 'schedule',
    'args' => '[7]', 'status' => 'enabled', 'active_job' => '0', 'date_as_argument' => '0', 'retry' => '5',
    'message' => '{"retry":5,"queue":"mail","class":"PlainJob","args":[7]}', 'symbolize_args' => '0'
  })
end
puts JSON.generate({ made: jobs.size, refused: refused })
