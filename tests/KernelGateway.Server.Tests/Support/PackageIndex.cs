using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Server.Tests.Support;

/// <summary>A package index on loopback (PEP 503) that has one wheel, in two versions, made here.</summary>
internal sealed class PackageIndex : IAsyncDisposable
{
    private readonly WebApplication _app;

    private PackageIndex(WebApplication app) => _app = app;

    public int Port => new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;

    public static async Task<PackageIndex> StartAsync()
    {
        var wheels = new[] { "1.0", "2.0" }.ToDictionary(version => $"kg_demo-{version}-py3-none-any.whl", Wheel);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        app.MapGet("/simple/kg-demo/", () => Results.Content(
            string.Concat(wheels.Select(w => $"<a href=\"/files/{w.Key}#sha256={Convert.ToHexStringLower(SHA256.HashData(w.Value))}\">{w.Key}</a>\n")), "text/html"));
        app.MapGet("/files/{name}", (string name) => wheels.TryGetValue(name, out var wheel) ? Results.Bytes(wheel, "application/zip") : Results.NotFound());
        await app.StartAsync();
        return new PackageIndex(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static byte[] Wheel(string version)
    {
        using var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            var info = $"kg_demo-{version}.dist-info";
            Add("kg_demo/__init__.py", $"version = '{version}'\n");
            Add($"{info}/METADATA", $"Metadata-Version: 2.1\nName: kg-demo\nVersion: {version}\n");
            Add($"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
            Add($"{info}/RECORD", $"kg_demo/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");

            void Add(string name, string text)
            {
                using var entry = zip.CreateEntry(name).Open();
                entry.Write(Encoding.UTF8.GetBytes(text));
            }
        }

        return bytes.ToArray();
    }
}
