-- How far a manual run has come; precedes the scripts that send messages of one. Its key holds the place that
-- was sent last, the entry and the queue, with tabs between.
--
-- Returns the place, entry and queue as '<entry>\t<queue>', and the whole text; nil if there is no such text.
local function read_run(key)
  local text = redis.pcall('GETRANGE', key, 0, 1023)
  local place, of
  if type(text) == 'string' then
    place, of = string.match(text, '^(%d+)\t([^\t]+\t[^\t]+)$')
  end
  if place and #place <= 15 then
    return tonumber(place), of, text
  end
end

