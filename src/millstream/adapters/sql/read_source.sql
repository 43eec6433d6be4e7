SELECT pipeline, source, position, finished FROM source WHERE pipeline = :pipeline AND source = :source
