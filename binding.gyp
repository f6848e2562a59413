{
  # A front to CMake for prebuildify: nothing is compiled here; the addon that CMake built is put into Release/.
  "targets": [
    {
      "target_name": "rdrop",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": [],
          "outputs": ["<(PRODUCT_DIR)/rdrop.node", "<(PRODUCT_DIR)/librdrop_core.so", "<(PRODUCT_DIR)/librdrop_distributed.so"],
          "action": ["node", "scripts/build.mjs", "native", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}
