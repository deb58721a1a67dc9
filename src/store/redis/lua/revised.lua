-- Ends the script, before anything is written, if the pauses have changed since its slots were planned.
--
-- KEYS  7 revision
-- ARGV  7 the revision that the caller last read; 8 the version, if it records slots as paused, else ''
-- Returns {'revised', now}
do
  local revision, version = read_mark(KEYS[7])
  if revision ~= ARGV[7] then
    return {'revised', now}
  end
  if ARGV[8] ~= '' and version ~= ARGV[8] then
    return {'revised', now}
  end
end
