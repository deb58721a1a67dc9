# Jobs that write a line of JSON each time they run, for a real Sidekiq process.
#
# DOWNBEAT_TEST_REDIS is the Redis socket, DOWNBEAT_TEST_JOURNAL the file to write to.
require "json"
require "sidekiq"

redis = {path: ENV.fetch("DOWNBEAT_TEST_REDIS")}

# Middleware sees the whole job, the job's class only its arguments.
class Journal
  def call(_worker, job, _queue)
    File.open(ENV.fetch("DOWNBEAT_TEST_JOURNAL"), "a") { |journal| journal.write("#{JSON.generate(job)}\n") }
    yield
  end
end

Sidekiq.configure_server do |config|
  config.redis = redis
  config.options[:poll_interval_average] = 1
  config.server_middleware { |chain| chain.add Journal }
end

module Mails
  class Send
    include Sidekiq::Worker

    def perform(*_args)
    end
  end

  class Fail
    include Sidekiq::Worker
    sidekiq_retry_in { 1 }

    def perform
      raise "as asked"
    end
  end
end
