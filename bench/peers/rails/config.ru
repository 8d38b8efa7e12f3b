# The article's programs on Rails: the application of one file, with the parts that `rails new --api` would load for it.
# SPDX-License-Identifier: MIT
require 'rails'
require 'action_controller/railtie'

ROOT = File.expand_path(ENV.fetch('PEER_ROOT'))

class PeerApplication < Rails::Application
  config.load_defaults 6.1
  config.api_only = true
  config.eager_load = true
  config.consider_all_requests_local = false
  config.secret_key_base = ENV.fetch('SECRET_KEY_BASE', '0' * 64)
  config.logger = Logger.new($stderr)
  config.log_level = :warn
  config.hosts.clear
  config.cache_store = :memory_store
end

class PeerController < ActionController::API
  def hello
    render plain: 'Hello, World!'
  end

  def file
    path = File.expand_path(params[:file].to_s, ROOT)
    if path.start_with?("#{ROOT}/") && File.file?(path)
      response.headers['Content-Length'] = File.size(path).to_s
      send_file path, type: 'application/octet-stream', disposition: nil
    else
      not_found
    end
  end

  # The body is enumerated by the server as it sends it; an enumerator keeps the ETag middleware from gathering it.
  def stream
    answer 'text/plain', nil, Enumerator.new { |out|
      1_000_000.times do |i|
        out << "Chunk #{i}\n"
        sleep 0.001 if (i % 1000).zero?
      end
    }
  end

  def large
    path = File.join(ROOT, 'large.bin')
    return not_found unless File.file?(path)

    answer 'application/octet-stream', File.size(path), Enumerator.new { |out|
      File.open(path, 'rb') do |file|
        while (piece = file.read(8192))
          out << piece
        end
      end
    }
  end

  def json
    render json: { request_id: request.headers['X-Request-ID'] || 'unknown', timestamp: Time.now.to_i, status: 'ok' }
  end

  def efficient
    render plain: "A reply to #{request.path}, made in 1024 bytes of stack.\n"
  end

  def csv
    answer 'text/csv', nil, Enumerator.new { |out|
      File.foreach(File.join(ROOT, 'large_dataset.csv')) { |line| out << line.upcase }
    }
  end

  def cached
    key = params[:key]
    value = Rails.cache.read(key)
    response.headers['X-Cache'] = value ? 'HIT' : 'MISS'
    unless value
      value = { key: key, computed: true }
      Rails.cache.write(key, value)
    end
    render json: value
  end

  private

  def not_found
    render plain: 'File not found', status: :not_found
  end

  def answer(type, length, pieces)
    response.headers['Content-Type'] = type
    response.headers['Content-Length'] = length.to_s if length
    response.headers['Last-Modified'] = Time.now.httpdate
    self.response_body = pieces
  end
end

PeerApplication.initialize!
PeerApplication.routes.draw do
  get '/', to: 'peer#hello'
  get '/file/*file', to: 'peer#file', format: false
  get '/stream', to: 'peer#stream'
  get '/large', to: 'peer#large'
  get '/json', to: 'peer#json'
  get '/efficient', to: 'peer#efficient'
  get '/csv', to: 'peer#csv'
  get '/cache/:key', to: 'peer#cached', constraints: { key: %r{[^/]+} }
end

run PeerApplication
